extension StorageManager {
    /// All pools that are defined or run, in order of their names; damaged ones too.
    ///
    /// It blocks.
    public func pools() throws(StorageError) -> [StoragePool] {
        try store.records().map { StoragePool(name: $0.name, manager: self) }
    }

    /// What is known of all pools, in order of their names; damaged ones too.
    ///
    /// It blocks.
    ///
    /// - Parameter measuringUsage: Whether the storage of those that run is asked how full it is.
    public func infos(measuringUsage: Bool = true) throws(StorageError) -> [PoolInfo] {
        try store.records().map { info($0, measuringUsage: measuringUsage) }
    }

    /// Looks up a pool by its name.
    ///
    /// It blocks.
    ///
    /// - Throws: `StorageError` with code `poolNotFound`.
    public func pool(named name: String) throws(StorageError) -> StoragePool {
        _ = try record(named: name)
        return StoragePool(name: name, manager: self)
    }

    /// Looks up a pool by its UUID.
    ///
    /// It blocks.
    ///
    /// - Throws: `StorageError` with code `poolNotFound`.
    public func pool(uuid: StorageUUID) throws(StorageError) -> StoragePool {
        guard let record = try store.records().first(where: { $0.current?.uuid == uuid }) else {
            throw StorageError(.poolNotFound, "there is no pool with UUID \(uuid)")
        }
        return StoragePool(name: record.name, manager: self)
    }

    /// Looks up a volume by its key, in all running pools.
    ///
    /// It blocks.
    ///
    /// - Throws: `StorageError` with code `volumeNotFound`.
    public func volume(key: String) throws(StorageError) -> (pool: StoragePool, volume: Volume) {
        try volume("key", key) { backend throws(StorageError) in try backend.volumeName(key: key) }
    }

    /// Looks up a volume by its path on this host, in all running pools.
    ///
    /// It blocks.
    ///
    /// - Throws: `StorageError` with code `volumeNotFound`.
    public func volume(path: String) throws(StorageError) -> (pool: StoragePool, volume: Volume) {
        try volume("path", path) { backend throws(StorageError) in try backend.volumeName(path: path) }
    }

    private func volume(
        _ property: String,
        _ value: String,
        name: (any PoolBackend) throws(StorageError) -> String?
    ) throws(StorageError) -> (pool: StoragePool, volume: Volume) {
        for record in try store.records() {
            // A pool that cannot be asked does not hide the others' volumes.
            guard let definition = record.running, let backend = try? backends.backend(for: definition),
                let name = try? name(backend), let volume = try? backend.volume(named: name)
            else { continue }
            return (StoragePool(name: record.name, manager: self), volume)
        }
        throw notFound(property, value)
    }

    func notFound(_ property: String, _ value: String) -> StorageError {
        StorageError(.volumeNotFound, "no running pool has a volume with \(property) '\(value.printable)'")
    }

    /// The record of a pool, which must be there.
    func record(named name: String) throws(StorageError) -> PoolRecord {
        try EntityName.pool.check(name)
        guard let record = store.record(named: name) else {
            throw StorageError(.poolNotFound, "there is no pool '\(name)'")
        }
        return record
    }
}
