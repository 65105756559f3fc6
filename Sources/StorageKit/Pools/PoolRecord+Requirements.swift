extension PoolRecord {
    /// The definition that holds now, for a pool that runs and for one that does not.
    ///
    /// - Throws: `StorageError` with code `damagedState`.
    func requireCurrent() throws(StorageError) -> PoolDefinition {
        guard let current else { throw damaged(damage ?? "there is no definition") }
        return current
    }

    /// The definition that the pool runs with.
    ///
    /// - Throws: `StorageError` with code `poolNotRunning` or `damagedState`.
    func requireRunning() throws(StorageError) -> PoolDefinition {
        try requireState()
        guard let running else { throw damaged(stateEntry.damage ?? "there is no state") }
        return running
    }

    /// The definition of a pool that does not run.
    ///
    /// - Throws: `StorageError` with code `poolRunning` or `damagedState`.
    func requireInactive() throws(StorageError) -> PoolDefinition {
        try requireNoState()
        return try requireCurrent()
    }

    /// - Throws: `StorageError` with code `poolNotRunning`.
    func requireState() throws(StorageError) {
        if stateEntry == .absent {
            throw StorageError(.poolNotRunning, "pool '\(name)' is not running", hint: "start it first")
        }
    }

    /// - Throws: `StorageError` with code `poolRunning`.
    func requireNoState() throws(StorageError) {
        if stateEntry != .absent {
            throw StorageError(.poolRunning, "pool '\(name)' is running", hint: "stop it first")
        }
    }

    /// - Throws: `StorageError` with code `poolTransient`.
    func requirePersistent() throws(StorageError) {
        guard isPersistent else {
            throw StorageError(
                .poolTransient,
                "pool '\(name)' is transient: it has no definition",
                hint: "define it to give it one"
            )
        }
    }

    private func damaged(_ reason: String) -> StorageError {
        StorageError(
            .damagedState,
            "the state of pool '\(name)' is damaged: \(reason)",
            hint: "define the pool again, or stop and undefine it"
        )
    }
}
