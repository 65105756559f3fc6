/// The functions of the manager, for asynchronous code: each waits on a thread of storlib's and is described at the one of
/// the same name that blocks.
extension StorageManager {
    /// All pools that are defined or run.
    public func pools() async throws(StorageError) -> [StoragePool] {
        try await threads.run { _ throws(StorageError) in try self.pools() }
    }

    /// What is known of all pools.
    public func infos(measuringUsage: Bool = true) async throws(StorageError) -> [PoolInfo] {
        let pools = try await pools()
        var infos: [PoolInfo] = []
        for pool in pools {
            do throws(StorageError) {
                try await infos.append(pool.info(measuringUsage: measuringUsage))
            } catch {
                // It was undefined meanwhile.
                guard error.code == .poolNotFound else { throw error }
            }
        }
        return infos
    }

    /// Looks up a pool by its name.
    public func pool(named name: String) async throws(StorageError) -> StoragePool {
        try await threads.run { _ throws(StorageError) in try self.pool(named: name) }
    }

    /// Looks up a pool by its UUID.
    public func pool(uuid: StorageUUID) async throws(StorageError) -> StoragePool {
        try await threads.run { _ throws(StorageError) in try self.pool(uuid: uuid) }
    }

    /// Looks up a volume by its key, in all running pools.
    public func volume(key: String) async throws(StorageError) -> (pool: StoragePool, volume: Volume) {
        for pool in try await pools() {
            // A pool that cannot be asked does not hide the others' volumes.
            if let volume = try? await pool.volume(key: key) { return (pool, volume) }
        }
        throw notFound("key", key)
    }

    /// Looks up a volume by its path on this host, in all running pools.
    public func volume(path: String) async throws(StorageError) -> (pool: StoragePool, volume: Volume) {
        for pool in try await pools() {
            if let volume = try? await pool.volume(path: path) { return (pool, volume) }
        }
        throw notFound("path", path)
    }

    /// Defines a pool, or defines it anew.
    @discardableResult
    public func define(_ definition: PoolDefinition) async throws(StorageError) -> StoragePool {
        try await threads(for: definition.name).run { _ throws(StorageError) in try self.define(definition) }
    }

    /// Starts a pool without defining it.
    @discardableResult
    public func create(_ definition: PoolDefinition, build: BuildMode? = nil) async throws(StorageError) -> StoragePool
    {
        try await threads(for: definition.name)
            .run { _ throws(StorageError) in
                try self.create(definition, build: build)
            }
    }

    /// Starts every pool that is marked for it and does not run.
    public func startMarkedPools() async throws(StorageError) -> [PoolStart] {
        let names = try await threads.run { _ throws(StorageError) in try self.markedPools() }
        // Each on threads of its own: one that hangs holds up no other.
        return await withTaskGroup(of: PoolStart.self) { group in
            for name in names {
                group.addTask {
                    do throws(StorageError) {
                        return try await self.threads(for: name).run { _ in self.startMarkedPool(name) }
                    } catch {
                        return PoolStart(pool: name, problem: error.description)
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }.sorted { $0.pool < $1.pool }
        }
    }

    /// Takes over the pools that libvirt has defined.
    public func importPools(
        from folder: String = StorageManager.libvirtDefinitions,
        dryRun: Bool = false
    ) async throws(StorageError) -> [PoolImport] {
        try await threads.run { _ throws(StorageError) in try self.importPools(from: folder, dryRun: dryRun) }
    }

    /// Looks at a change and says what it would do.
    public func plan(_ change: Change) async throws(StorageError) -> Plan {
        try await threads(for: change.pool).run { _ throws(StorageError) in try self.plan(change) }
    }

    /// Makes a planned change; cancelling the task stops it and undoes it.
    @discardableResult
    public func apply(_ plan: Plan) async throws(StorageError) -> Volume? {
        try await threads(for: plan.change.pool)
            .run { cancellation throws(StorageError) in
                try self.apply(plan, cancellation: cancellation)
            }
    }

    /// Begins a planned change whose progress is of interest.
    ///
    /// - Parameters:
    ///   - plan: The plan, from `plan(_:)`.
    ///   - source: Where the bytes of an upload come from.
    public func begin(_ plan: Plan, from source: UploadSource? = nil) async -> Transfer<Volume?> {
        Transfer(on: transferThreads(for: plan.change.pool)) { progress, cancellation throws(StorageError) in
            try self.apply(plan, from: source, progress: progress, cancellation: cancellation)
        }
    }

    /// The events of pools and volumes from now on, by this program and by others.
    ///
    /// - Throws: `StorageError` where the state folders cannot be watched.
    public func events() async throws(StorageError) -> PoolEvents {
        try await threads.run { _ throws(StorageError) in try PoolEvents(self.watcher(), of: nil) }
    }

    /// Watches pools and volumes from a thread of the program's own.
    package func watcher() throws(StorageError) -> PoolEventWatcher {
        try PoolEventWatcher(store, backends)
    }
}
