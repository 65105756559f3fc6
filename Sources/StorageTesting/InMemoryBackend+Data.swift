import StorageKit
internal import Synchronization

extension InMemoryBackend {
    private func change(_ name: String, _ body: (inout InMemoryStorage.StoredVolume) -> Void) throws(StorageError) {
        var stored = try stored(name)
        body(&stored)
        storage.state.withLock { [stored] in $0.pools[definition.name]?.volumes[name] = stored }
    }

    private func assumption(_ stored: InMemoryStorage.StoredVolume) -> PlanOutline.Assumption {
        .present(
            path: path(of: stored.definition.name),
            identity: stored.identity,
            made: stored.made,
            size: stored.definition.capacity
        )
    }

    private func room(_ stored: InMemoryStorage.StoredVolume, _ options: TransferOptions) throws(StorageError) -> UInt64
    {
        let capacity = stored.definition.capacity ?? .zero
        guard options.offset <= capacity else {
            throw StorageError(.invalidArgument, "volume '\(stored.definition.name)' has \(capacity.bytes) bytes")
        }
        return capacity.subtractingClamped(options.offset).bytes
    }
}

extension InMemoryBackend: VolumeUploading {
    func outlineUpload(to name: String, _ options: TransferOptions) throws(StorageError) -> PlanOutline {
        let stored = try stored(name)
        _ = try room(stored, options)
        return PlanOutline(
            steps: [.init("write memory", path(of: name), detail: "from byte \(options.offset.bytes) on")],
            assumptions: [assumption(stored)]
        )
    }

    func uploadVolume(
        _ name: String,
        from source: UploadSource,
        _ options: TransferOptions,
        following outline: PlanOutline,
        progress: ProgressMeter,
        cancellation: Cancellation
    ) throws(StorageError) {
        try outline.checkUnchanged(outlineUpload(to: name, options), object: "volume '\(name)'")
        let source = try OpenSource(source)
        let room = try room(stored(name), options)
        let tooLarge = StorageError(.invalidArgument, "volume '\(name)' has room for \(room) bytes only")
        if let size = source.size, min(size, options.length?.bytes ?? .max) > room { throw tooLarge }
        try cancellation.check()
        try change(name) { $0.problem = "an upload was broken off" }
        var position = Int(options.offset.bytes)
        let end = position + Int(room)
        let control = TransferControl(progress, cancellation)
        try source.read(upTo: options.length?.bytes, control) { bytes, count throws(StorageError) in
            guard count <= end - position else { throw tooLarge }
            try change(name) { stored in
                let missing = position + count - stored.content.count
                if missing > 0 { stored.content += Array(repeating: 0, count: missing) }
                stored.content.replaceSubrange(position..<position + count, with: bytes[..<count])
            }
            position += count
            control.advance(by: UInt64(count))
        }
        try change(name) { $0.problem = nil }
    }
}

extension InMemoryBackend: VolumeDownloading {
    func downloadVolume(
        _ name: String,
        to target: DownloadTarget,
        _ options: TransferOptions,
        progress: ProgressMeter,
        cancellation: Cancellation
    ) throws(StorageError) -> ByteCount {
        let stored = try stored(name)
        let count = Int(min(try room(stored, options), options.length?.bytes ?? .max))
        let known = stored.content.dropFirst(Int(options.offset.bytes)).prefix(count)
        let bytes = Array(known) + Array(repeating: 0, count: count - known.count)
        try cancellation.check()
        switch target {
        case .chunks(let take):
            try StorageError.wrapping("the target of the download failed") { try take(bytes) }
        case .descriptor(let descriptor, let name):
            let file = try OpenFile(duplicating: descriptor, path: name)
            var written = 0
            while written < count { written += try file.writeNext(bytes, written..<count) ?? 0 }
        case .file(let path):
            let (parent, name) = path.splitPath ?? (".", path)
            try OpenFile(parent, [.readOnly, .directory]).replace(name, with: bytes, mode: 0o666)
        }
        progress.advance(by: ByteCount(UInt64(count)))
        return ByteCount(UInt64(count))
    }
}

extension InMemoryBackend: VolumeWiping {
    func outlineWipe(
        of name: String,
        _ algorithm: WipeAlgorithm,
        isForced: Bool
    ) throws(StorageError) -> PlanOutline {
        let stored = try stored(name)
        return PlanOutline(
            steps: [.init("overwrite memory", path(of: name), detail: algorithm.rawValue)],
            assumptions: [assumption(stored)]
        )
    }

    /// Memory forgets at once: every algorithm leaves zeros.
    func wipeVolume(
        _ name: String,
        _ algorithm: WipeAlgorithm,
        isForced: Bool,
        following outline: PlanOutline,
        progress: ProgressMeter,
        cancellation: Cancellation
    ) throws(StorageError) {
        try outline.checkUnchanged(outlineWipe(of: name, algorithm, isForced: isForced), object: "volume '\(name)'")
        try cancellation.check()
        try change(name) { stored in
            stored.content = []
            stored.problem = nil
        }
    }
}
