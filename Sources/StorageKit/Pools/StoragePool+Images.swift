/// Images of volumes: copies, maps and checks.
extension StoragePool {
    /// Makes a volume in this pool that holds what a guest sees of another one, of this pool or of any other that runs.
    ///
    /// It blocks while the data is copied. Backing files are flattened; holes stay holes; where the file system lets files
    /// share extents, and the format stays, nothing is copied. Nobody can change the source and its backing files by way of
    /// storlib meanwhile.
    ///
    /// - Parameters:
    ///   - source: The volume that is copied.
    ///   - definition: What the new volume is; without a capacity it has that of the source, without a format its format.
    ///     What is allocated is what holds data, or what ``VolumeDefinition/preallocation`` says; its allocation is not looked at.
    ///   - progress: Hears of the bytes of the guest's disk that are done.
    ///   - cancellation: Stops the copying; nothing is left of it.
    /// - Throws: `StorageError` with code `volumeExists`, `noSpace`, `busy` where somebody writes to the source,
    ///   `damagedImage`, `outsidePool` where the source's backing file may not be followed, `cancelled` or another; nothing
    ///   is left of the new volume then.
    @discardableResult
    @available(*, noasync, message: "await cloneVolume(_:as:), and cancel the transfer")
    public func cloneVolume(
        _ source: VolumeReference,
        as definition: VolumeDefinition,
        progress: ProgressMeter = ProgressMeter(),
        cancellation: Cancellation = Cancellation()
    ) throws(StorageError) -> Volume {
        let change = Change.cloneVolume(pool: name, definition: definition, source: source)
        guard let volume = try manager.perform(change, progress: progress, cancellation: cancellation) else {
            return try volume(named: definition.name)
        }
        return volume
    }

    /// Makes a volume in this pool that holds what a guest sees of another one.
    ///
    /// It does not wait: the transfer tells its progress, its result, and can be cancelled, which leaves nothing.
    public func cloneVolume(_ source: VolumeReference, as definition: VolumeDefinition) async -> Transfer<Volume> {
        Transfer(on: manager.transferThreads(for: name)) { progress, cancellation throws(StorageError) in
            try self.cloneVolume(source, as: definition, progress: progress, cancellation: cancellation)
        }
    }

    /// Where a volume's content lies: data, zeros and holes, and the image of the chain that holds them.
    ///
    /// It blocks while the tables are read.
    ///
    /// - Throws: `StorageError` with code `volumeNotFound`, `busy`, `damagedImage`, `outsidePool` or another.
    @available(*, noasync, message: "await mapVolume(named:)")
    public func mapVolume(
        named name: String,
        cancellation: Cancellation = Cancellation()
    ) throws(StorageError) -> ImageMap {
        try manager.withRunningPool(self.name, cancellation: cancellation) { _ throws(StorageError) in
            try manager.reading(manager.record(named: self.name).requireRunning())
                .map(ofVolume: name, cancellation: cancellation)
        }
    }

    /// Where a volume's content lies.
    public func mapVolume(named name: String) async throws(StorageError) -> ImageMap {
        try await manager.threads(for: self.name)
            .run { cancellation throws(StorageError) in
                try self.mapVolume(named: name, cancellation: cancellation)
            }
    }

    /// Looks at all tables of a volume's image, and says what is wrong with them.
    ///
    /// It blocks while the tables are read.
    ///
    /// - Parameters:
    ///   - name: The volume's name.
    ///   - repairingLeaks: Whether clusters that nothing refers to are freed, where nothing else is wrong.
    ///   - cancellation: Stops the look.
    /// - Throws: `StorageError` with code `volumeNotFound`, `busy` where somebody uses it, `damagedImage` where the header
    ///   makes no sense, `notSupported` or another.
    @available(*, noasync, message: "await checkVolume(named:repairingLeaks:)")
    public func checkVolume(
        named name: String,
        repairingLeaks: Bool = false,
        cancellation: Cancellation = Cancellation()
    ) throws(StorageError) -> ImageCheck {
        try manager.withRunningPool(self.name, cancellation: cancellation) { _ throws(StorageError) in
            try manager.reading(manager.record(named: self.name).requireRunning())
                .check(volume: name, repairingLeaks: repairingLeaks, cancellation: cancellation)
        }
    }

    /// Looks at all tables of a volume's image, and says what is wrong with them.
    public func checkVolume(
        named name: String,
        repairingLeaks: Bool = false
    ) async throws(StorageError) -> ImageCheck {
        try await manager.threads(for: self.name)
            .run { cancellation throws(StorageError) in
                try self.checkVolume(named: name, repairingLeaks: repairingLeaks, cancellation: cancellation)
            }
    }

    /// Says which format a volume has that was not made here, whatever its content says from now on, and that the backing file
    /// that its header names may be followed out of the pool.
    ///
    /// It blocks.
    ///
    /// - Throws: `StorageError` with code `volumeNotFound`, `busy`, `damagedImage` where the volume is no such image, or another.
    @available(*, noasync, message: "await declareVolume(named:format:)")
    public func declareVolume(named name: String, format: VolumeFormat) throws(StorageError) {
        _ = try manager.perform(.declareVolume(pool: self.name, name: name, format: format))
    }

    /// Says which format a volume has that was not made here.
    public func declareVolume(named name: String, format: VolumeFormat) async throws(StorageError) {
        try await manager.threads(for: self.name)
            .run { _ throws(StorageError) in
                try self.declareVolume(named: name, format: format)
            }
    }
}
