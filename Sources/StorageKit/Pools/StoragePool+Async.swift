/// The functions of a pool, for asynchronous code: each waits on a thread of storlib's that serves this pool alone, and is
/// described at the one of the same name that blocks.
extension StoragePool {
    private func run<Result: Sendable>(
        _ body: @escaping @Sendable (Cancellation) throws(StorageError) -> Result
    ) async throws(StorageError) -> Result {
        try await manager.threads(for: name).run(body)
    }

    /// Begins long work on the pool's threads for it.
    func transfer<Success: Sendable>(
        _ body: @escaping @Sendable (ProgressMeter, Cancellation) throws(StorageError) -> Success
    ) -> Transfer<Success> {
        Transfer(on: manager.transferThreads(for: name), body)
    }

    /// What is known of the pool.
    public func info(measuringUsage: Bool = true) async throws(StorageError) -> PoolInfo {
        try await run { _ throws(StorageError) in try self.info(measuringUsage: measuringUsage) }
    }

    /// The definition.
    public func definition(forNextStart: Bool = false) async throws(StorageError) -> PoolDefinition {
        try await run { _ throws(StorageError) in try self.definition(forNextStart: forNextStart) }
    }

    /// The document.
    public func xml(forNextStart: Bool = false) async throws(StorageError) -> String {
        try await run { _ throws(StorageError) in try self.xml(forNextStart: forNextStart) }
    }

    /// The volumes, in order of their names.
    public func volumes() async throws(StorageError) -> [Volume] {
        try await run { _ throws(StorageError) in try self.volumes() }
    }

    /// Looks up a volume by its name.
    public func volume(named name: String) async throws(StorageError) -> Volume {
        try await run { _ throws(StorageError) in try self.volume(named: name) }
    }

    /// Looks up a volume by its key.
    public func volume(key: String) async throws(StorageError) -> Volume {
        try await run { _ throws(StorageError) in try self.volume(key: key) }
    }

    /// Looks up a volume by its path on this host.
    public func volume(path: String) async throws(StorageError) -> Volume {
        try await run { _ throws(StorageError) in try self.volume(path: path) }
    }

    /// Removes what interrupted changes left behind.
    public func refresh() async throws(StorageError) {
        try await run { _ throws(StorageError) in try self.refresh() }
    }

    /// Starts the pool.
    public func start(build: BuildMode? = nil) async throws(StorageError) {
        try await run { _ throws(StorageError) in try self.start(build: build) }
    }

    /// Stops the pool.
    public func stop() async throws(StorageError) {
        try await run { _ throws(StorageError) in try self.stop() }
    }

    /// Prepares the pool's storage.
    public func build(_ mode: BuildMode = .standard) async throws(StorageError) {
        try await run { _ throws(StorageError) in try self.build(mode) }
    }

    /// Removes the pool's storage.
    public func delete() async throws(StorageError) {
        try await run { _ throws(StorageError) in try self.delete() }
    }

    /// Removes the pool's definition.
    public func undefine() async throws(StorageError) {
        try await run { _ throws(StorageError) in try self.undefine() }
    }

    /// Marks the pool to be started at boot, or takes the mark away.
    public func setAutostart(_ isOn: Bool) async throws(StorageError) {
        try await run { _ throws(StorageError) in try self.setAutostart(isOn) }
    }

    /// Makes a volume; cancelling the task leaves nothing of it.
    @discardableResult
    public func createVolume(_ definition: VolumeDefinition) async throws(StorageError) -> Volume {
        try await run { cancellation throws(StorageError) in
            try self.createVolume(definition, cancellation: cancellation)
        }
    }

    /// Removes a volume and its data.
    public func deleteVolume(named name: String) async throws(StorageError) {
        try await run { _ throws(StorageError) in try self.deleteVolume(named: name) }
    }

    /// Changes a volume's size; cancelling the task leaves its old size.
    public func resizeVolume(named name: String, to size: VolumeSize) async throws(StorageError) {
        try await run { cancellation throws(StorageError) in
            try self.resizeVolume(named: name, to: size, cancellation: cancellation)
        }
    }

    /// The events of this pool and of its volumes from now on, by this program and by others.
    ///
    /// - Throws: `StorageError` where the state folders cannot be watched.
    public func events() async throws(StorageError) -> PoolEvents {
        try await run { _ throws(StorageError) in try PoolEvents(self.manager.watcher(), of: self.name) }
    }
}
