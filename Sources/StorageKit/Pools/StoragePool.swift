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
    /// - Throws: `StorageError` with code `poolNotFound`.
    public func info() throws(StorageError) -> PoolInfo {
        let record = try manager.record(named: name)
        var info = PoolInfo(record)
        guard record.state == .running, let definition = record.running else { return info }
        do throws(StorageError) {
            info.usage = try manager.backend(for: definition).usage()
        } catch {
            info.problem = error.description
        }
        return info
    }

    /// The definition: the one that the pool runs with, or the one for its next start.
    ///
    /// It blocks.
    ///
    /// - Parameter forNextStart: Whether a running pool's definition for its next start is wanted.
    /// - Throws: `StorageError` with code `poolNotFound` or
    ///   `damagedState`.
    public func definition(forNextStart: Bool = false) throws(StorageError) -> PoolDefinition {
        let record = try manager.record(named: name)
        let definition = forNextStart ? record.defined ?? record.running : record.current
        if let damage = record.damage { throw record.damaged(damage) }
        guard let definition else { throw record.damaged("there is no definition") }
        return definition
    }

    /// The document, with how full the pool is where it runs.
    ///
    /// It blocks.
    ///
    /// - Parameter forNextStart: Whether a running pool's definition for its next start is wanted.
    /// - Throws: As `definition(forNextStart:)` does.
    public func xml(forNextStart: Bool = false) throws(StorageError) -> String {
        let definition = try definition(forNextStart: forNextStart)
        return try definition.xml(usage: forNextStart ? .zero : info().usage ?? .zero)
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
        try manager.withRunningPool(name) { backend throws(StorageError) in
            try backend.refresh()
            manager.store.note(.refreshed, name)
        }
    }
}
