extension StorageManager {
    /// Defines a pool, which then outlives programs and boots, or defines it anew.
    ///
    /// It blocks. A running pool keeps its definition until it stops.
    ///
    /// - Throws: `StorageError` with code `poolExists` where another pool has the UUID or the source,
    ///   `invalidName`, `invalidArgument` or another.
    @discardableResult
    public func define(_ definition: PoolDefinition) throws(StorageError) -> StoragePool {
        _ = try perform(.define(pool: definition))
        return StoragePool(name: definition.name, manager: self)
    }

    /// Starts a pool without defining it: it is gone after its stop.
    ///
    /// It blocks.
    ///
    /// - Parameters:
    ///   - definition: What the pool is.
    ///   - build: Whether, and how, its storage is built first.
    /// - Throws: As `define(_:)` does, and what the start finds.
    @discardableResult
    public func create(_ definition: PoolDefinition, build: BuildMode? = nil) throws(StorageError) -> StoragePool {
        _ = try perform(.create(pool: definition, build: build))
        return StoragePool(name: definition.name, manager: self)
    }

    /// Starts every pool that is marked for it and does not run; one that fails holds up no other.
    ///
    /// It blocks.
    ///
    /// - Returns: The pools that were marked and did not run, and why one could not be started.
    public func startMarkedPools() throws(StorageError) -> [PoolStart] {
        var starts: [PoolStart] = []
        for name in try markedPools() { starts.append(startMarkedPool(name)) }
        return starts
    }

    func markedPools() throws(StorageError) -> [String] {
        try store.records().filter { $0.isAutostarted && $0.stateEntry == .absent }.map(\.name)
    }

    func startMarkedPool(_ name: String) -> PoolStart {
        do throws(StorageError) {
            _ = try perform(.start(pool: name, build: nil))
            return PoolStart(pool: name, problem: nil)
        } catch {
            return PoolStart(pool: name, problem: error.description)
        }
    }
}

extension StoragePool {
    /// Starts the pool.
    ///
    /// It blocks.
    ///
    /// - Parameter build: Whether, and how, its storage is built first.
    /// - Throws: `StorageError` with code `poolRunning`, `notSupported` where
    ///   there is no backend, or what the start finds.
    public func start(build: BuildMode? = nil) throws(StorageError) {
        _ = try manager.perform(.start(pool: name, build: build))
    }

    /// Stops the pool; its data stays.
    ///
    /// A transient pool is gone then.
    ///
    /// It blocks.
    ///
    /// - Throws: `StorageError` with code `poolNotRunning` or another.
    public func stop() throws(StorageError) {
        _ = try manager.perform(.stop(pool: name))
    }

    /// Prepares the pool's storage; the pool must not run.
    ///
    /// It blocks.
    ///
    /// - Throws: `StorageError` with code `poolRunning` or another; the storage is as it was then.
    public func build(_ mode: BuildMode = .standard) throws(StorageError) {
        _ = try manager.perform(.build(pool: name, mode: mode))
    }

    /// Removes the pool's storage, of a directory pool the empty directory; the definition stays.
    ///
    /// It blocks.
    ///
    /// - Throws: `StorageError` with code `poolRunning`, `notEmpty` or another.
    public func delete() throws(StorageError) {
        _ = try manager.perform(.delete(pool: name))
    }

    /// Removes the pool's definition; its storage stays.
    ///
    /// The pool must not run.
    ///
    /// It blocks.
    ///
    /// - Throws: `StorageError` with code `poolRunning`, `poolTransient` or
    ///   another.
    public func undefine() throws(StorageError) {
        _ = try manager.perform(.undefine(pool: name))
    }

    /// Marks the pool to be started at boot, or takes the mark away.
    ///
    /// It blocks.
    ///
    /// - Throws: `StorageError` with code `poolTransient` or another.
    public func setAutostart(_ isOn: Bool) throws(StorageError) {
        _ = try manager.perform(.autostart(pool: name, isOn: isOn))
    }

    /// Makes a volume, which appears whole or not at all.
    ///
    /// It blocks, for long where much is allocated and the file system cannot do so at once.
    ///
    /// - Parameters:
    ///   - definition: What the volume is; the backend sets its key, path and UUID.
    ///   - cancellation: Stops the work; nothing is left of it then.
    /// - Throws: `StorageError` with code `volumeExists`, `noSpace`,
    ///   `poolNotRunning` or another.
    @discardableResult
    @available(*, noasync, message: "await createVolume(_:), and cancel its task")
    public func createVolume(
        _ definition: VolumeDefinition,
        cancellation: Cancellation = Cancellation()
    ) throws(StorageError) -> Volume {
        let change = Change.createVolume(pool: name, definition: definition)
        if let volume = try manager.perform(change, cancellation: cancellation) { return volume }
        return try volume(named: definition.name)
    }

    /// Removes a volume and its data.
    ///
    /// It blocks.
    ///
    /// - Throws: `StorageError` with code `volumeNotFound`, `busy` or another.
    public func deleteVolume(named name: String) throws(StorageError) {
        _ = try manager.perform(.deleteVolume(pool: self.name, name: name))
    }

    /// Changes a volume's size.
    ///
    /// It blocks, for long where much is allocated and the file system cannot do so at once.
    ///
    /// - Parameters:
    ///   - name: The volume's name.
    ///   - size: The new size.
    ///   - cancellation: Stops the work; the volume has its old size then.
    /// - Throws: `StorageError` with code `volumeNotFound`, `noSpace`,
    ///   `invalidArgument` where the end would be cut off, or another.
    @available(*, noasync, message: "await resizeVolume(named:to:), and cancel its task")
    public func resizeVolume(
        named name: String,
        to size: VolumeSize,
        cancellation: Cancellation = Cancellation()
    ) throws(StorageError) {
        let change = Change.resizeVolume(pool: self.name, name: name, size: size)
        _ = try manager.perform(change, cancellation: cancellation)
    }
}
