/// What two programs may not do to one volume at once: the lock of its file, for which nobody waits.
extension FileVolumes {
    /// Opens a volume to change its content, and keeps others from it until the file is closed.
    ///
    /// - Throws: `StorageError` with code `busy` that names the program that has the lock.
    func openExclusively(_ name: String, in directory: borrowing OpenFile) throws(StorageError) -> OpenFile {
        guard isVolumeName(name) else { throw notFound(name) }
        let file = try directory.open(name, [.readWrite, .nonBlocking], action: "open volume '\(name)' for writing")
        guard try file.tryLock(exclusive: true) else { throw busy(name, file) }
        return file
    }

    /// Opens a volume to read its content, beside others who read, and keeps those who would change it from it.
    ///
    /// - Throws: `StorageError` with code `busy` that names the program that has the lock.
    func openShared(_ name: String, in directory: borrowing OpenFile) throws(StorageError) -> OpenFile {
        guard isVolumeName(name) else { throw notFound(name) }
        let file = try directory.open(name, [.readOnly, .nonBlocking], action: "open volume '\(name)'")
        guard try file.tryLock(exclusive: false) else { throw busy(name, file) }
        return file
    }

    /// - Parameter backing: The path of the file, where it is one of the volume's backing files.
    func busy(_ name: String, _ file: borrowing OpenFile, backing: String? = nil) -> StorageError {
        let holder = LockHolder(of: file)
        let object = backing.map { "the backing file '\($0.printable)' of " } ?? ""
        return StorageError(
            .busy,
            "\(object)volume '\(name)' of pool '\(poolName)' is in use by \(holder?.description ?? "another program")",
            hint: "wait for it to end",
            context: StorageError.Context(path: path(of: name))
        )
    }

    /// Refuses a volume without bytes of its own.
    func requireFile(_ volume: Volume, to verb: String) throws(StorageError) {
        guard volume.definition.kind == .file else {
            throw StorageError(
                .notSupported,
                "volume '\(volume.name)' of pool '\(poolName)' is a directory, and there is nothing to \(verb)"
            )
        }
    }
}
