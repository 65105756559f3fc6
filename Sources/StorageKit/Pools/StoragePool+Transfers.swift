/// The bytes of volumes: upload, download, wipe.
extension StoragePool {
    /// Writes a source's bytes over those of a volume, as they are in its file.
    ///
    /// It blocks until the bytes are on the disk. Nobody else can change the volume meanwhile. A raw volume does not become
    /// larger, and what lies behind the upload stays; an image that is uploaded from its first byte on is replaced by it.
    ///
    /// - Parameters:
    ///   - name: The volume's name.
    ///   - source: Where the bytes come from.
    ///   - options: Which part of the volume is written, and whether holes stay holes.
    ///   - progress: Hears how far the work has come.
    ///   - cancellation: Stops the work.
    /// - Returns: The volume.
    /// - Throws: `StorageError` with code `volumeNotFound`, `busy`, `invalidArgument` where the volume is too small, `noSpace`,
    ///   `cancelled` or another. Where bytes were written already, the volume's ``Volume/problem`` says so.
    @discardableResult
    @available(*, noasync, message: "await uploadVolume(named:from:_:), and its value")
    public func uploadVolume(
        named name: String,
        from source: UploadSource,
        _ options: TransferOptions = TransferOptions(),
        progress: ProgressMeter = ProgressMeter(),
        cancellation: Cancellation = Cancellation()
    ) throws(StorageError) -> Volume {
        let change = Change.uploadVolume(pool: self.name, name: name, options: options)
        _ = try manager.perform(change, from: source, progress: progress, cancellation: cancellation)
        return try volume(named: name)
    }

    /// Hands the bytes of a volume to a target, as they are in its file.
    ///
    /// It blocks. Nobody can change the volume by way of storlib meanwhile.
    ///
    /// - Parameters:
    ///   - name: The volume's name.
    ///   - target: Where the bytes go.
    ///   - options: Which part of the volume is read, and whether holes stay holes: in a file they do, elsewhere they are zeros.
    ///   - progress: Hears how far the work has come.
    ///   - cancellation: Stops the work; no part of a file is left.
    /// - Returns: The number of bytes.
    /// - Throws: `StorageError` with code `volumeNotFound`, `busy`, `noSpace`, `cancelled` or another.
    @discardableResult
    @available(*, noasync, message: "await downloadVolume(named:to:_:), and its value")
    public func downloadVolume(
        named name: String,
        to target: DownloadTarget,
        _ options: TransferOptions = TransferOptions(),
        progress: ProgressMeter = ProgressMeter(),
        cancellation: Cancellation = Cancellation()
    ) throws(StorageError) -> ByteCount {
        let count = try manager.withRunningPool(self.name, cancellation: cancellation) { _ throws(StorageError) in
            try manager.downloading(manager.record(named: self.name).requireRunning())
                .downloadVolume(name, to: target, options, progress: progress, cancellation: cancellation)
        }
        progress.complete()
        return count
    }

    /// Overwrites all that a volume has on its disk.
    ///
    /// It blocks, for as many passes as the algorithm has. Holes stay holes. Of an image nothing is left: the volume is a raw
    /// one of the file's size then.
    ///
    /// - Parameters:
    ///   - name: The volume's name.
    ///   - algorithm: The passes.
    ///   - isForced: Whether to go on where the file system writes elsewhere, and the old content would stay on the disk.
    ///   - progress: Hears how far the work has come: bytes of all passes.
    ///   - cancellation: Stops the work.
    /// - Returns: The volume.
    /// - Throws: `StorageError` with code `volumeNotFound`, `busy`, `notSupported` where overwriting would be in vain, `cancelled`
    ///   or another. Where bytes were overwritten already, the volume's ``Volume/problem`` says so.
    @discardableResult
    @available(*, noasync, message: "await wipeVolume(named:_:isForced:), and its value")
    public func wipeVolume(
        named name: String,
        _ algorithm: WipeAlgorithm = .zero,
        isForced: Bool = false,
        progress: ProgressMeter = ProgressMeter(),
        cancellation: Cancellation = Cancellation()
    ) throws(StorageError) -> Volume {
        let change = Change.wipeVolume(pool: self.name, name: name, algorithm: algorithm, isForced: isForced)
        _ = try manager.perform(change, progress: progress, cancellation: cancellation)
        return try volume(named: name)
    }
}

/// The same, for asynchronous code: each begins on a thread of storlib's, and gives what is to be awaited.
extension StoragePool {
    /// Begins to write a source's bytes over those of a volume.
    public func uploadVolume(
        named name: String,
        from source: UploadSource,
        _ options: TransferOptions = TransferOptions()
    ) async -> Transfer<Volume> {
        transfer { progress, cancellation throws(StorageError) in
            try self.uploadVolume(
                named: name,
                from: source,
                options,
                progress: progress,
                cancellation: cancellation
            )
        }
    }

    /// Begins to hand the bytes of a volume to a target.
    public func downloadVolume(
        named name: String,
        to target: DownloadTarget,
        _ options: TransferOptions = TransferOptions()
    ) async -> Transfer<ByteCount> {
        transfer { progress, cancellation throws(StorageError) in
            try self.downloadVolume(
                named: name,
                to: target,
                options,
                progress: progress,
                cancellation: cancellation
            )
        }
    }

    /// Begins to overwrite all that a volume has on its disk.
    public func wipeVolume(
        named name: String,
        _ algorithm: WipeAlgorithm = .zero,
        isForced: Bool = false
    ) async -> Transfer<Volume> {
        transfer { progress, cancellation throws(StorageError) in
            try self.wipeVolume(
                named: name,
                algorithm,
                isForced: isForced,
                progress: progress,
                cancellation: cancellation
            )
        }
    }
}
