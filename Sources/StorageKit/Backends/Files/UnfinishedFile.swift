/// A file that is being made, and has no name until it is whole.
///
/// Where the file system cannot make files without a name, it has one that no volume has, and a lock on it tells a file
/// that is being made from one whose maker was killed.
struct UnfinishedFile: ~Copyable {
    let file: OpenFile
    private let directory: OpenFile
    /// The name until the end; nil for a file without one.
    private var temporaryName: String?

    private init(file: consuming OpenFile, directory: consuming OpenFile, temporaryName: String?) {
        self.file = file
        self.directory = directory
        self.temporaryName = temporaryName
    }

    /// Makes a file in a directory.
    ///
    /// - Parameters:
    ///   - path: The name in errors.
    ///   - mode: The mode, of which the program's umask takes some.
    static func make(
        in directory: borrowing OpenFile,
        as path: String,
        mode: UInt32 = 0o600
    ) throws(StorageError) -> UnfinishedFile {
        do throws(StorageError) {
            return try UnfinishedFile(
                file: directory.open(
                    ".",
                    [.readWrite, .unnamed],
                    mode: mode,
                    path: path,
                    action: "make a file in '\(directory.path)'"
                ),
                directory: directory.open(".", [.readOnly, .directory]),
                temporaryName: nil
            )
        } catch {
            guard error.code == .notSupported else { throw error }
        }
        let name = temporaryName()
        let unfinished = try UnfinishedFile(
            file: directory.open(name, [.readWrite, .create, .exclusive], mode: mode, path: path),
            directory: directory.open(".", [.readOnly, .directory]),
            temporaryName: name
        )
        // Held until the file is closed. Who sweeps up between these two calls wins: finish fails then.
        _ = try unfinished.file.tryLock(exclusive: true)
        return unfinished
    }

    deinit {
        if let temporaryName { try? directory.remove(temporaryName) }
    }

    /// Gives the file its owner, mode, label and place among btrfs' files, before it has any content.
    func prepare(_ definition: VolumeDefinition, mode: UInt32) throws(StorageError) {
        let permissions = definition.permissions
        if definition.noCopyOnWrite, try file.isOnBtrfs() { try file.setCopyOnWrite(false) }
        try file.setOwner(permissions.owner, group: permissions.group)
        try file.setMode(mode)
        if let label = permissions.label, FileVolumes.readsLabels { try file.setSecurityLabel(label) }
    }

    private static func temporaryName() -> String {
        var generator = SystemRandomNumberGenerator()
        return FileVolumes.unfinishedPrefix + String(generator.next(), radix: 16)
    }

    /// Gives the whole file its name; an existing file is an error with code `exists`, or is replaced.
    mutating func finish(as name: String, replacing: Bool = false) throws(StorageError) {
        if replacing {
            // Only a name can take another's place.
            let temporaryName = self.temporaryName ?? Self.temporaryName()
            if self.temporaryName == nil { try directory.link(file, as: temporaryName) }
            self.temporaryName = temporaryName
            try directory.rename(temporaryName, to: name, replacing: true)
            self.temporaryName = nil
            return
        }
        guard let temporaryName else {
            try directory.link(file, as: name)
            return
        }
        do throws(StorageError) {
            try directory.rename(temporaryName, to: name, replacing: false)
            self.temporaryName = nil
        } catch {
            // NFS has no rename that refuses to replace; it has links, and the temporary name goes at the end.
            guard error.code == .invalidArgument else { throw error }
            try directory.link(file, as: name)
        }
    }
}

extension FileVolumes {
    /// Whether a name is one of storlib's own: of a file that is being made, or of what it remembers of a volume.
    static func isReserved(_ name: String) -> Bool {
        name.hasBytePrefix(".storlib-")
    }

    static let unfinishedPrefix = ".storlib-unfinished-"

    private static func isUnfinished(_ name: String) -> Bool {
        name.hasBytePrefix(unfinishedPrefix)
    }

    /// The files whose makers were killed, or are at work.
    func unfinishedNames() throws(StorageError) -> [String] {
        try openDirectory().entryNames().compactMap { $0 }.filter(Self.isUnfinished).sorted()
    }

    /// Removes the files whose makers were killed, and records of volumes that are no more.
    ///
    /// - Parameter isForPoolDeletion: Whether nobody can be making a volume: its record comes before it.
    func sweep(isForPoolDeletion: Bool = false) throws(StorageError) {
        let directory = try openDirectory()
        try sweepRecords(in: directory, olderThan: isForPoolDeletion ? 0 : 60)
        for name in try unfinishedNames() {
            do throws(StorageError) {
                let file = try directory.open(name, [.readWrite, .noFollow, .nonBlocking])
                if try file.tryLock(exclusive: true) { try directory.remove(name) }
            } catch {
                // Finished or swept up meanwhile, or another user's: not ours to remove.
                continue
            }
        }
    }

    private func sweepRecords(in directory: borrowing OpenFile, olderThan seconds: Int64) throws(StorageError) {
        for name in try directory.entryNames() {
            guard let name, Self.isReserved(name), !Self.isUnfinished(name) else { continue }
            if name.hasBytePrefix(VolumeRecord.filePrefix) {
                let volume = String(decoding: name.utf8.dropFirst(VolumeRecord.filePrefix.utf8.count), as: UTF8.self)
                if (try? directory.status(of: volume)) != nil { continue }
            }
            guard let status = try? directory.status(of: name), status.kind == .regular,
                status.modified.seconds <= Timestamp.now.seconds - seconds
            else { continue }
            try? directory.remove(name)
        }
    }
}
