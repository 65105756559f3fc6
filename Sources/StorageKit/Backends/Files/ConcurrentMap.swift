internal import Synchronization

/// Does the same work for each number below a count, on several threads, and gives the results in order.
///
/// It blocks. Few numbers are worked on by the caller alone.
///
/// - Parameters:
///   - threads: How many threads work, the caller's among them.
///   - body: The work for a number; nil leaves no result.
func concurrentMap<Result: Sendable>(
    _ count: Int,
    threads: Int,
    _ body: @escaping @Sendable (Int) -> Result?
) -> [Result] {
    let chunkLength = 64
    let chunks = (count + chunkLength - 1) / chunkLength
    guard chunks > 2, threads > 1 else { return (0..<count).compactMap(body) }

    let work = ConcurrentWork<Result>(chunks: chunks)
    let serve: @Sendable () -> Void = {
        while true {
            let chunk = work.next.add(1, ordering: .relaxed).oldValue
            guard chunk < chunks else { break }
            let found = (chunk * chunkLength..<min((chunk + 1) * chunkLength, count)).compactMap(body)
            work.results.withLock { $0[chunk] = found }
        }
        work.ended.signal()
    }
    var helpers = 0
    for _ in 1..<min(threads, chunks) {
        // With fewer threads it takes longer.
        guard (try? startThread(serve)) != nil else { break }
        helpers += 1
    }
    serve()
    for _ in 0...helpers { work.ended.wait() }
    return work.results.withLock { chunks in
        var all: [Result] = []
        all.reserveCapacity(count)
        for chunk in chunks { all.append(contentsOf: chunk) }
        return all
    }
}

/// What the threads of one piece of work share.
private final class ConcurrentWork<Result: Sendable>: Sendable {
    let next = Atomic(0)
    let results: Mutex<[[Result]]>
    let ended = Semaphore()

    init(chunks: Int) {
        results = Mutex(Array(repeating: [], count: chunks))
    }
}
