internal import CLinux
internal import Synchronization

/// An open file or directory, closed at the end of its life.
///
/// Every function blocks and may be called on any thread.
@safe package struct OpenFile: ~Copyable, Sendable {
    package let descriptor: Int32
    /// The name in errors.
    package let path: String
    /// Whether it was this value that took the lock.
    private let holdsLock = Atomic(false)

    package init(adopting descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    /// Opens a path as the system resolves it.
    ///
    /// The corresponding C function is `open`.
    package init(
        _ path: String,
        _ flags: OpenFlags,
        mode: UInt32 = 0,
        action: @autoclosure () -> String? = nil
    ) throws(StorageError) {
        try Self.checkNoZeroByte(path)
        let descriptor = try systemCall("open", action() ?? "open '\(path)'", path: path) {
            unsafe storlib_open(path, flags.rawValue | O_CLOEXEC, mode)
        }
        self.init(adopting: descriptor, path: path)
    }

    deinit {
        // A child that the program has just forked has the descriptor too, and with it the lock, until it runs its own program.
        if holdsLock.load(ordering: .relaxed) { _ = storlib_flock(descriptor, LOCK_UN) }
        _ = storlib_close(descriptor)
    }

    /// Another descriptor of the same open file.
    ///
    /// The corresponding C function is `fcntl` with `F_DUPFD_CLOEXEC`.
    package func duplicate() throws(StorageError) -> OpenFile {
        let copy = try systemCall("fcntl", "open '\(path)' once more", path: path) { storlib_duplicate(descriptor) }
        return OpenFile(adopting: copy, path: path)
    }

    /// A C string ends at its first zero byte: such a path would name another file.
    static func checkNoZeroByte(_ path: String) throws(StorageError) {
        if path.utf8.contains(0) {
            throw StorageError(.invalidName, "a path cannot contain a zero byte")
        }
    }

    /// What the file system knows of this file.
    ///
    /// The corresponding C function is `statx`.
    package func status() throws(StorageError) -> FileStatus {
        var result = statx()
        try systemCall("statx", "read the status of '\(path)'", path: path) {
            unsafe storlib_statx(descriptor, "", Int32(STORLIB_AT_EMPTY_PATH), &result)
        }
        return FileStatus(result)
    }

    /// Makes all that was written last through a crash.
    ///
    /// The corresponding C function is `fsync`.
    package func synchronize() throws(StorageError) {
        try systemCall("fsync", "write '\(path)' to its disk", path: path) { storlib_fsync(descriptor) }
    }

    /// Makes a change of names in this directory last, which is made already.
    ///
    /// - Throws: `StorageError` that says so.
    package func synchronizeChange() throws(StorageError) {
        do throws(StorageError) {
            try synchronize()
        } catch {
            throw StorageError(
                error.code,
                error.message,
                hint: "what was asked for is done, but may not last through a crash",
                context: error.context,
                cause: error.cause
            )
        }
    }

    /// Takes the advisory lock of the whole file, without waiting; it is held until this value's end.
    ///
    /// The corresponding C function is `flock`.
    ///
    /// - Returns: Whether the lock was taken; false where another open file holds it.
    package func tryLock(exclusive: Bool) throws(StorageError) -> Bool {
        do throws(StorageError) {
            try systemCall("flock", "lock '\(path)'", path: path) {
                storlib_flock(descriptor, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB)
            }
            holdsLock.store(true, ordering: .relaxed)
            return true
        } catch {
            guard error.code == .busy else { throw error }
            return false
        }
    }

    /// Sets the permission bits.
    ///
    /// The corresponding C function is `fchmod`.
    package func setMode(_ mode: UInt32) throws(StorageError) {
        try systemCall("fchmod", "set mode \(String(mode, radix: 8)) on '\(path)'", path: path) {
            storlib_fchmod(descriptor, mode)
        }
    }

    /// Sets the owner and the group; nil keeps the one that is.
    ///
    /// The corresponding C function is `fchown`.
    package func setOwner(_ owner: UInt32?, group: UInt32?) throws(StorageError) {
        let names = [owner.map { "owner \($0)" }, group.map { "group \($0)" }].compactMap(\.self)
        guard !names.isEmpty else { return }
        try systemCall("fchown", "set \(names.joined(separator: " and ")) on '\(path)'", path: path) {
            storlib_fchown(descriptor, owner ?? .max, group ?? .max)
        }
    }
}
