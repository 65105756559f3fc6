extension FileVolumes {
    func outlineUpload(to name: String, _ options: TransferOptions) throws(StorageError) -> PlanOutline {
        let volume = try volume(named: name)
        try requireFile(volume, to: "upload to")
        _ = try room(in: volume, options, for: 0)
        let status = try openDirectory().open(name, .place).status()
        let length = options.length.map { "at most \($0.bytes) bytes " } ?? ""
        let holes = options.isSparse ? ", with holes" : ""
        return PlanOutline(
            steps: [.init("write file", volume.path, detail: "\(length)from byte \(options.offset.bytes) on\(holes)")],
            assumptions: [.file(volume.path, status, size: status.size)]
        )
    }

    func uploadVolume(
        _ name: String,
        from source: UploadSource,
        _ options: TransferOptions,
        following outline: PlanOutline,
        _ control: TransferControl
    ) throws(StorageError) {
        let source = try OpenSource(source)
        let directory = try openDirectory()
        let file = try openExclusively(name, in: directory)
        try outline.checkUnchanged(outlineUpload(to: name, options), object: "volume '\(name)'")
        let volume = try volume(named: name)
        guard try source.identity() != file.status().identity else {
            throw StorageError(.invalidArgument, "volume '\(name)' of pool '\(poolName)' cannot be uploaded to itself")
        }
        let offset = options.offset.bytes
        let known = source.size.map { min($0, options.length?.bytes ?? .max) }
        let room = try room(in: volume, options, for: known ?? 0)
        control.progress.setTotal(known.map { ByteCount($0) } ?? options.length)
        try source.waitForFirstByte(control)

        let end = (known ?? options.length?.bytes).map { offset.addingReportingOverflow($0) }
        let work = BrokenWork(.upload, from: offset, to: end.flatMap { $0.overflow ? nil : $0.partialValue })
        let rewrite = try VolumeRewrite.begin(work, of: file, named: name, in: directory)
        do throws(StorageError) {
            let count = try rewrite.file.receive(from: source, options, room: room, control)
            // Where all of an image was replaced, it ends where the new one does.
            let replacesAll = volume.definition.format != .raw && options.offset == .zero && options.length == nil
            if replacesAll { try rewrite.file.setSize(ByteCount(count)) }
            try rewrite.finish(at: offset + count, isToSourceEnd: options.length == nil, control)
        } catch {
            throw halfDone(error, .upload, name)
        }
    }

    /// The most bytes that can be written, from the offset on, which must be at least `count`.
    ///
    /// A raw volume has the size that it was made with, and an upload does not change it: a guest would see another disk.
    /// An image is as long as it needs to be.
    private func room(
        in volume: Volume,
        _ options: TransferOptions,
        for count: UInt64
    ) throws(StorageError) -> UInt64 {
        let offset = options.offset
        let isRaw = volume.definition.format == .raw
        let limit = isRaw ? volume.physicalSize : .maximum
        guard let end = offset.adding(ByteCount(count)), end <= limit else {
            let object = "volume '\(volume.name)' of pool '\(poolName)'"
            guard isRaw else {
                throw StorageError(.invalidArgument, "\(object) would be larger than the largest size of a file")
            }
            throw StorageError(
                .invalidArgument,
                "\(object) has \(limit.bytes) bytes, and an upload does not make it larger: "
                    + (count == 0 ? "" : "\(count) bytes from ") + "byte \(offset.bytes) on "
                    + (count == 0 ? "is behind its end" : "do not fit"),
                hint: "resize the volume first"
            )
        }
        return limit.bytes - offset.bytes
    }
}

extension OpenSource {
    /// Waits until it is known that there is a source, before anything is changed for its sake.
    fileprivate func waitForFirstByte(_ control: TransferControl) throws(StorageError) {
        try control.cancellation.check()
        guard case .stream(let source) = self else { return }
        while try !source.file.waitToRead(milliseconds: TransferControl.patience) { try control.cancellation.check() }
    }
}

extension OpenFile {
    /// Writes what an upload gives, and says how much it was.
    fileprivate func receive(
        from source: OpenSource,
        _ options: TransferOptions,
        room: UInt64,
        _ control: TransferControl
    ) throws(StorageError) -> UInt64 {
        let offset = options.offset.bytes
        // A device has no holes to tell of; its zeros become some.
        if case .file(let source, let all) = source, !options.isSparse || source.file.hasHoles {
            let count = min(all.upperBound - all.lowerBound, options.length?.bytes ?? .max)
            let range = all.lowerBound..<all.lowerBound + count
            try copy(range, of: source.file, to: offset, isSparse: options.isSparse, replacing: true, control)
            return count
        }
        return try receive(
            from: source,
            at: offset,
            length: options.length?.bytes,
            room: room,
            isSparse: options.isSparse,
            control
        )
    }

    private var hasHoles: Bool { (try? status().kind) == .regular }
}
