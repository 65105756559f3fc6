/// The threads that serve one pool.
struct PoolThreads: Sendable {
    let calls = BlockingThreads(limit: 8)
    /// Apart, so that a pool can be listed however many uploads it is busy with.
    let transfers = BlockingThreads(limit: 8)
}
