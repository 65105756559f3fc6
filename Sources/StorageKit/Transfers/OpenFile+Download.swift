extension OpenFile {
    /// Hands a part of the file to the target of a download.
    func send(
        _ range: Range<UInt64>,
        to target: DownloadTarget,
        isSparse: Bool,
        _ control: TransferControl
    ) throws(StorageError) {
        switch target {
        case .chunks(let take):
            try send(range, control) { bytes, count throws(StorageError) in
                try StorageError.wrapping("the target of the download failed") {
                    try take(count == bytes.count ? bytes : Array(bytes.prefix(count)))
                }
            }
        case .descriptor(let descriptor, let name):
            try send(range, to: OpenFile(duplicating: descriptor, path: name), control)
        case .file(let path):
            try send(range, toFile: path, isSparse: isSparse, control)
        }
    }

    private func send(
        _ range: Range<UInt64>,
        to output: borrowing OpenFile,
        _ control: TransferControl
    ) throws(StorageError) {
        try checkIsOther(output.status(), output.path)
        try send(range, control) { bytes, count throws(StorageError) in try output.writeAll(bytes, count, control) }
    }

    private func send(
        _ range: Range<UInt64>,
        toFile path: String,
        isSparse: Bool,
        _ control: TransferControl
    ) throws(StorageError) {
        guard let (existing, realPath) = try Self.existing(path) else {
            return try send(range, toNewFile: path, replacing: nil, isSparse: isSparse, control)
        }
        switch existing.kind {
        case .directory:
            throw StorageError(
                .exists,
                "'\(path)' is a directory, and no file to download to",
                context: StorageError.Context(path: path)
            )
        case .regular:
            try checkIsOther(existing, path)
            try send(range, toNewFile: realPath, replacing: existing, isSparse: isSparse, control)
        case .other, .symbolicLink:
            try send(range, to: OpenFile(path, .writeOnly), control)
        }
    }

    /// What a path names, without links on its way; nil where it names nothing.
    private static func existing(_ path: String) throws(StorageError) -> (FileStatus, String)? {
        do throws(StorageError) {
            let place = try OpenFile(path, .place)
            return try (place.status(), place.realPath())
        } catch {
            guard error.code == .notFound else { throw error }
            return nil
        }
    }

    /// The file has no name before it is whole: whatever happens, nobody finds a part of it.
    private func send(
        _ range: Range<UInt64>,
        toNewFile path: String,
        replacing existing: FileStatus?,
        isSparse: Bool,
        _ control: TransferControl
    ) throws(StorageError) {
        let (parent, name) = path.splitPath ?? (".", path)
        let directory = try OpenFile(parent, [.readOnly, .directory])
        var target = try UnfinishedFile.make(in: directory, as: path, mode: 0o666)
        try target.file.copy(range, of: self, to: 0, isSparse: isSparse, replacing: false, control)
        try target.file.setSize(ByteCount(range.upperBound - range.lowerBound))
        if let existing {
            // Who may write to a file of another user's may not give one away.
            try? target.file.setOwner(existing.owner, group: existing.group)
            try target.file.setMode(existing.mode)
        }
        try target.file.synchronize()
        try control.cancellation.check()
        try target.finish(as: name, replacing: existing != nil)
        try directory.synchronizeChange()
    }

    private func checkIsOther(_ target: FileStatus, _ path: String) throws(StorageError) {
        guard try target.identity != status().identity else {
            throw StorageError(
                .invalidArgument,
                "'\(path)' is the volume itself, and cannot be downloaded to",
                context: StorageError.Context(path: path)
            )
        }
    }
}
