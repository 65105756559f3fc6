extension PoolRecord {
    /// The definition that the pool runs with.
    ///
    /// - Throws: `StorageError` with code `poolNotRunning` or
    ///   `damagedState`.
    func requireRunning() throws(StorageError) -> PoolDefinition {
        if let running { return running }
        if let damage { throw damaged(damage) }
        throw StorageError(.poolNotRunning, "pool '\(name)' is not running", hint: "start it first")
    }

    /// The definition of a pool that does not run.
    ///
    /// - Throws: `StorageError` with code `poolRunning` or `damagedState`.
    func requireInactive() throws(StorageError) -> PoolDefinition {
        if running != nil { throw StorageError(.poolRunning, "pool '\(name)' is running", hint: "stop it first") }
        if let damage { throw damaged(damage) }
        guard let defined else { throw damaged("there is no definition") }
        return defined
    }

    func requirePersistent() throws(StorageError) {
        guard isPersistent else {
            throw StorageError(
                .poolTransient,
                "pool '\(name)' is transient: it has no definition",
                hint: "define it to give it one"
            )
        }
    }

    func damaged(_ reason: String) -> StorageError {
        StorageError(
            .damagedState,
            "the state of pool '\(name)' is damaged: \(reason)",
            hint: "define the pool again, or stop and undefine it"
        )
    }
}
