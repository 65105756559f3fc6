/// A pool of the host, by its name.
///
/// It holds no state: every call reads what is there.
public struct StoragePool: Sendable {
    /// The name, unique on the host.
    public let name: String
    let manager: StorageManager

    /// What is known of the pool: state, marks, and how full it is.
    ///
    /// It blocks. A pool that is damaged, or whose storage does not answer, is described with its problem.
    ///
    /// - Parameter measuringUsage: Whether the storage is asked how full it is.
    /// - Throws: `StorageError` with code `poolNotFound`.
    public func info(measuringUsage: Bool = true) throws(StorageError) -> PoolInfo {
        try manager.info(manager.record(named: name), measuringUsage: measuringUsage)
    }

    /// The definition: the one that the pool runs with, or the one for its next start.
    ///
    /// It blocks.
    ///
    /// - Parameter forNextStart: Whether a running pool's definition for its next start is wanted; a transient pool has none,
    ///   and gives the one that it runs with.
    /// - Throws: `StorageError` with code `poolNotFound` or `damagedState`.
    public func definition(forNextStart: Bool = false) throws(StorageError) -> PoolDefinition {
        let record = try manager.record(named: name)
        if forNextStart, let defined = record.defined { return defined }
        return try record.requireCurrent()
    }

    /// The document, with how full the pool is where it runs.
    ///
    /// It blocks.
    ///
    /// - Parameter forNextStart: Whether a running pool's definition for its next start is wanted.
    /// - Throws: As `definition(forNextStart:)` does.
    public func xml(forNextStart: Bool = false) throws(StorageError) -> String {
        var definition = try definition(forNextStart: forNextStart)
        guard !forNextStart, try info(measuringUsage: false).state == .running else { return definition.xml() }
        // What is real, as far as the storage tells.
        if let backend = try? manager.backends.backend(for: definition) {
            if let permissions = try? backend.targetPermissions() { definition.permissions = permissions }
            return definition.xml(usage: (try? backend.usage()) ?? .zero)
        }
        return definition.xml()
    }

    /// The volumes, in order of their names.
    ///
    /// It blocks. What cannot be a volume is passed over, and what cannot be read fails no other.
    ///
    /// - Throws: `StorageError` with code `poolNotRunning` or another.
    public func volumes() throws(StorageError) -> [Volume] {
        try manager.withRunningPool(name) { backend throws(StorageError) in try backend.volumes() }
    }

    /// Looks up a volume by its name, without reading the others.
    ///
    /// It blocks.
    ///
    /// - Throws: `StorageError` with code `volumeNotFound`,
    ///   `poolNotRunning` or another.
    public func volume(named name: String) throws(StorageError) -> Volume {
        try manager.withRunningPool(self.name) { backend throws(StorageError) in try backend.volume(named: name) }
    }

    /// Looks up a volume by its key, without reading the others.
    ///
    /// It blocks.
    ///
    /// - Throws: As `volume(named:)` does.
    public func volume(key: String) throws(StorageError) -> Volume {
        try manager.withRunningPool(name) { backend throws(StorageError) in
            guard let name = try backend.volumeName(key: key) else { throw notFound("key", key) }
            return try backend.volume(named: name)
        }
    }

    /// Looks up a volume by its path on this host, without reading the others.
    ///
    /// It blocks.
    ///
    /// - Throws: As `volume(named:)` does.
    public func volume(path: String) throws(StorageError) -> Volume {
        try manager.withRunningPool(name) { backend throws(StorageError) in
            guard let name = try backend.volumeName(path: path) else { throw notFound("path", path) }
            return try backend.volume(named: name)
        }
    }

    private func notFound(_ property: String, _ value: String) -> StorageError {
        StorageError(.volumeNotFound, "pool '\(name)' has no volume with \(property) '\(value.printable)'")
    }

    /// Removes what interrupted changes left behind, and tells watchers to look again.
    ///
    /// It blocks. Listing needs no refresh: it reads the storage each time.
    ///
    /// - Throws: `StorageError` with code `poolNotRunning` or another.
    public func refresh() throws(StorageError) {
        _ = try manager.perform(.refresh(pool: name))
    }
}
