/// What the state folders say of one pool.
struct PoolRecord: Hashable, Sendable {
    /// What is to be read of a file of the pool.
    enum Entry: Hashable, Sendable {
        case absent
        case read(PoolDefinition)
        case damaged(String)

        var definition: PoolDefinition? {
            if case .read(let definition) = self { definition } else { nil }
        }

        var damage: String? {
            if case .damaged(let reason) = self { reason } else { nil }
        }
    }

    let name: String
    /// The definition, for the next start.
    let definitionEntry: Entry
    /// The definition with which the pool runs.
    let stateEntry: Entry
    /// Whether the pool is started at boot.
    let isAutostarted: Bool

    var defined: PoolDefinition? { definitionEntry.definition }

    var running: PoolDefinition? { stateEntry.definition }

    /// The definition that holds now.
    var current: PoolDefinition? { stateEntry == .absent ? defined : running }

    /// Whether there is a definition, readable or not.
    var isPersistent: Bool { definitionEntry != .absent }

    var damage: String? { stateEntry.damage ?? definitionEntry.damage }

    var state: PoolState {
        switch stateEntry {
        case .read: .running
        case .damaged: .damaged
        case .absent: definitionEntry.damage == nil ? .inactive : .damaged
        }
    }
}
