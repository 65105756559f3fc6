/// How full a pool is.
public struct PoolUsage: Hashable, Sendable, Codable {
    /// All of the pool's storage.
    public var capacity: ByteCount
    /// What is in use, by volumes and by what is needed to keep them.
    public var allocation: ByteCount
    /// What new volumes may use.
    ///
    /// It may not fit into one.
    public var available: ByteCount

    /// Makes a usage of its three parts.
    public init(capacity: ByteCount, allocation: ByteCount, available: ByteCount) {
        self.capacity = capacity
        self.allocation = allocation
        self.available = available
    }

    /// The usage of a pool that does not run.
    public static let zero = PoolUsage(capacity: .zero, allocation: .zero, available: .zero)
}
