/// What is known of a pool.
public struct PoolInfo: Hashable, Sendable, Codable {
    /// The name, unique on the host.
    public let name: String
    /// The UUID; nil where the pool is damaged.
    public let uuid: StorageUUID?
    /// What the pool is carved from; nil where the pool is damaged.
    public let kind: PoolKind?
    /// Whether the pool runs.
    public let state: PoolState
    /// Whether the pool has a definition, and so outlives its stop.
    public let isPersistent: Bool
    /// Whether the pool is started at boot.
    public let isAutostarted: Bool
    /// The directory where the volumes are on this host.
    public let targetPath: String?
    /// How full the pool is; nil where it does not run, or does not answer.
    public var usage: PoolUsage?
    /// Why the pool is damaged or does not answer.
    public var problem: String?

    init(_ record: PoolRecord) {
        name = record.name
        uuid = record.current?.uuid
        kind = record.current?.kind
        state = record.state
        isPersistent = record.isPersistent
        isAutostarted = record.isAutostarted
        targetPath = record.current?.targetPath
        problem = record.damage
    }
}
