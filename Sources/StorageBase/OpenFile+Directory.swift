internal import CLinux
internal import SystemPackage

/// What this file, as a directory, does with the names in it.
///
/// No name leads out of the directory. `openat2` with `RESOLVE_BENEATH` refuses `..`, absolute paths and links that would;
/// the calls that follow no links take a single name and nothing else.
extension OpenFile {
    /// Opens a name beneath this directory.
    ///
    /// The corresponding C function is `openat2`.
    ///
    /// - Parameters:
    ///   - path: The name in errors, where it is another than the one that is opened.
    ///   - action: What is attempted, in errors.
    /// - Throws: `StorageError` with code `outsidePool` where the name, or a link that it is, leads out.
    package func open(
        _ name: String,
        _ flags: OpenFlags,
        mode: UInt32 = 0,
        path: String? = nil,
        action: @autoclosure () -> String? = nil
    ) throws(StorageError) -> OpenFile {
        try Self.checkNoZeroByte(name)
        let path = path ?? (name == "." ? self.path : pathOfEntry(name))
        let resolve = UInt64(RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)
        var tries = 1
        while true {
            do throws(StorageError) {
                let opened = try systemCall("openat2", action() ?? "open '\(path)'", path: path) {
                    unsafe storlib_openat2(descriptor, name, flags.rawValue | O_CLOEXEC, mode, resolve)
                }
                return OpenFile(adopting: opened, path: path)
            } catch {
                // A directory was renamed meanwhile, and the kernel could not tell whether `..` leads out.
                guard error.cause as? Errno == .wouldBlock, tries < 16 else { throw error }
                tries += 1
            }
        }
    }

    /// Opens a name in this directory, which must not be a link.
    ///
    /// The corresponding C function is `openat` with `O_NOFOLLOW`: a single name cannot lead out, and is opened faster.
    package func openEntry(_ name: String, _ flags: OpenFlags) throws(StorageError) -> OpenFile {
        try Self.checkSingleName(name)
        let path = pathOfEntry(name)
        let opened = try systemCall("openat", "open '\(path)'", path: path) {
            unsafe storlib_openat(descriptor, name, flags.rawValue | O_CLOEXEC | O_NOFOLLOW)
        }
        return OpenFile(adopting: opened, path: path)
    }

    /// What the file system knows of a name in this directory, of a link itself and not of what it names.
    ///
    /// The corresponding C function is `statx`.
    package func status(of name: String) throws(StorageError) -> FileStatus {
        try Self.checkSingleName(name)
        var result = statx()
        let path = pathOfEntry(name)
        try systemCall("statx", "read the status of '\(path)'", path: path) {
            unsafe storlib_statx(descriptor, name, AT_SYMLINK_NOFOLLOW, &result)
        }
        return FileStatus(result)
    }

    /// The names in this directory, without `.` and `..`, in the file system's order; nil stands for a name that is
    /// not UTF-8.
    ///
    /// The corresponding C function is `getdents64`.
    package func entryNames() throws(StorageError) -> [String?] {
        try entries().map(\.name)
    }

    /// A name in a directory.
    package struct Entry: Sendable {
        /// Nil for a name that is not UTF-8.
        package let name: String?
        /// What it is, of a link the link; nil where the file system does not say.
        package let kind: FileStatus.Kind?
    }

    /// The names in this directory as ``entryNames()`` gives them, with what they are.
    ///
    /// The corresponding C function is `getdents64`.
    package func entries() throws(StorageError) -> [Entry] {
        // A descriptor of its own: reading moves the position that all users of one share.
        let directory = try open(".", [.readOnly, .directory])
        var entries: [Entry] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = try systemCall("getdents64", "list '\(path)'", path: path) {
                unsafe buffer.withUnsafeMutableBytes { buffer in
                    guard let start = buffer.baseAddress else { return 0 }
                    return unsafe storlib_getdents(directory.descriptor, start, buffer.count)
                }
            }
            if count == 0 { return entries }
            // SAFETY: the kernel fills the buffer with whole entries, `count` bytes in all, each with its length and a name
            // that ends with a zero (getdents64(2)).
            unsafe buffer.withUnsafeBufferPointer { buffer in
                guard var entry = buffer.baseAddress else { return }
                let end = unsafe entry + count
                while unsafe entry < end {
                    let name = unsafe String(validatingCString: storlib_dirent_name(entry))
                    if name != ".", name != ".." {
                        unsafe entries.append(Entry(name: name, kind: Self.kind(storlib_dirent_type(entry))))
                    }
                    unsafe entry += Int(storlib_dirent_length(entry))
                }
            }
        }
    }

    private static func kind(_ type: UInt8) -> FileStatus.Kind? {
        switch Int(type) {
        case DT_UNKNOWN: nil
        case DT_REG: .regular
        case DT_DIR: .directory
        case DT_LNK: .symbolicLink
        default: .other
        }
    }

    /// Makes a directory; an existing one is an error with code `exists`.
    ///
    /// The corresponding C function is `mkdirat`.
    package func makeDirectory(_ name: String, mode: UInt32) throws(StorageError) {
        try Self.checkSingleName(name)
        let path = pathOfEntry(name)
        try systemCall("mkdirat", "make directory '\(path)'", path: path) {
            unsafe storlib_mkdirat(descriptor, name, mode)
        }
    }

    /// Removes a name, or a directory that is empty.
    ///
    /// The corresponding C function is `unlinkat`.
    package func remove(_ name: String, directory: Bool = false) throws(StorageError) {
        try Self.checkSingleName(name)
        let path = pathOfEntry(name)
        try systemCall("unlinkat", "remove '\(path)'", path: path) {
            unsafe storlib_unlinkat(descriptor, name, directory ? AT_REMOVEDIR : 0)
        }
    }

    /// Gives a file opened with ``OpenFlags/unnamed`` a name; an existing one is an error with code `exists`.
    ///
    /// The corresponding C function is `linkat`, by way of `/proc/self/fd`, which needs no privilege.
    package func link(_ file: borrowing OpenFile, as name: String) throws(StorageError) {
        try Self.checkSingleName(name)
        let path = pathOfEntry(name)
        let source = "/proc/self/fd/\(file.descriptor)"
        try systemCall("linkat", "name '\(path)'", path: path) {
            unsafe storlib_linkat(AT_FDCWD, source, descriptor, name, AT_SYMLINK_FOLLOW)
        }
    }

    /// Renames within this directory.
    ///
    /// The corresponding C function is `renameat2`.
    ///
    /// - Parameter replacing: Whether an existing file of the new name is replaced; else it is an error with code
    ///   `exists`.
    package func rename(_ name: String, to newName: String, replacing: Bool) throws(StorageError) {
        try Self.checkSingleName(name)
        try Self.checkSingleName(newName)
        let path = pathOfEntry(newName)
        try systemCall("renameat2", "name '\(path)'", path: path) {
            unsafe storlib_renameat2(
                descriptor,
                name,
                descriptor,
                newName,
                replacing ? 0 : UInt32(STORLIB_RENAME_NOREPLACE)
            )
        }
    }

    /// Makes a symbolic link; an existing name is an error with code `exists`.
    ///
    /// The corresponding C function is `symlinkat`.
    package func makeSymbolicLink(_ name: String, to target: String) throws(StorageError) {
        try Self.checkSingleName(name)
        try Self.checkNoZeroByte(target)
        let path = pathOfEntry(name)
        try systemCall("symlinkat", "make link '\(path)'", path: path) {
            unsafe storlib_symlinkat(target, descriptor, name)
        }
    }

    /// Compares bytes: a `/` before a combining mark is one `Character` with it.
    private static func checkSingleName(_ name: String) throws(StorageError) {
        let bytes = name.utf8
        guard !bytes.isEmpty, !bytes.contains(UInt8(ascii: "/")), !bytes.contains(0), name != ".", name != ".." else {
            throw StorageError(.invalidName, "'\(name)' is not the name of a file in a directory")
        }
    }

    private func pathOfEntry(_ name: String) -> String {
        path.utf8.last == UInt8(ascii: "/") ? path + name : "\(path)/\(name)"
    }
}
