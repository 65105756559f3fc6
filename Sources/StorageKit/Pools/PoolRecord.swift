/// What the state folders say of one pool.
struct PoolRecord: Hashable, Sendable {
    let name: String
    /// The definition, for the next start.
    var defined: PoolDefinition?
    /// The definition with which the pool runs.
    var running: PoolDefinition?
    /// Whether the pool is started at boot.
    var isAutostarted = false
    /// Why a file of the pool cannot be read.
    var damage: String?
    /// Whether there is a definition, readable or not.
    var isPersistent = false

    /// The definition that holds now.
    var current: PoolDefinition? { running ?? defined }

    var state: PoolState {
        damage != nil ? .damaged : running != nil ? .running : .inactive
    }
}
