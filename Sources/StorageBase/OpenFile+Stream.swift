internal import CLinux
internal import SystemPackage

/// Reading and writing one byte after the other, as a pipe wants it.
extension OpenFile {
    /// An open file of the program's, by a descriptor of its own that shares the position.
    ///
    /// The corresponding C function is `fcntl` with `F_DUPFD_CLOEXEC`.
    package init(duplicating descriptor: Int32, path: String) throws(StorageError) {
        let duplicate = try systemCall("fcntl", "use '\(path)'", path: path) { storlib_duplicate(descriptor) }
        self.init(adopting: duplicate, path: path)
    }

    /// Where the next byte is read or written; nil for what has no positions, such as a pipe.
    ///
    /// The corresponding C function is `lseek`.
    package var position: UInt64? {
        let position = storlib_seek(descriptor, 0, SEEK_CUR)
        return position < 0 ? nil : UInt64(position)
    }

    /// Sets where the next byte is read or written.
    ///
    /// The corresponding C function is `lseek`.
    package func restorePosition(_ position: UInt64) {
        _ = storlib_seek(descriptor, Int64(clamping: position), SEEK_SET)
    }

    /// Waits until there is something to read or the end is reached, at most for a while.
    ///
    /// The corresponding C function is `poll`.
    ///
    /// - Returns: False where the time is over.
    package func waitToRead(milliseconds: Int32) throws(StorageError) -> Bool {
        try systemCall("poll", "wait for '\(path)'", path: path) {
            storlib_poll_one(descriptor, Int16(POLLIN), milliseconds)
        } > 0
    }

    /// Waits until something can be written, at most for a while.
    ///
    /// The corresponding C function is `poll`.
    ///
    /// - Returns: False where the time is over.
    package func waitToWrite(milliseconds: Int32) throws(StorageError) -> Bool {
        try systemCall("poll", "wait for '\(path)'", path: path) {
            storlib_poll_one(descriptor, Int16(POLLOUT), milliseconds)
        } > 0
    }

    /// Reads what comes next into a part of a buffer.
    ///
    /// The corresponding C function is `read`.
    ///
    /// - Returns: The number of bytes read: 0 at the end, nil where a descriptor that does not wait has nothing yet.
    package func readNext(into buffer: inout [UInt8], _ part: Range<Int>) throws(StorageError) -> Int? {
        precondition(part.lowerBound >= 0 && part.upperBound <= buffer.count)
        do throws(StorageError) {
            return try systemCall("read", "read '\(path)'", path: path) {
                // SAFETY: the part lies within the buffer.
                unsafe buffer.withUnsafeMutableBytes { bytes in
                    guard let start = bytes.baseAddress else { return 0 }
                    return unsafe storlib_read(descriptor, start + part.lowerBound, part.count)
                }
            }
        } catch {
            guard error.cause as? Errno == .wouldBlock else { throw error }
            return nil
        }
    }

    /// Writes what comes next from a part of a buffer.
    ///
    /// The corresponding C function is `write`.
    ///
    /// - Returns: The number of bytes written; nil where a descriptor that does not wait has no room yet.
    package func writeNext(_ bytes: [UInt8], _ part: Range<Int>) throws(StorageError) -> Int? {
        precondition(part.lowerBound >= 0 && part.upperBound <= bytes.count)
        do throws(StorageError) {
            return try systemCall("write", "write to '\(path)'", path: path) {
                // SAFETY: the part lies within the buffer.
                unsafe bytes.withUnsafeBytes { bytes in
                    guard let start = bytes.baseAddress else { return 0 }
                    return unsafe storlib_write(descriptor, start + part.lowerBound, part.count)
                }
            }
        } catch {
            guard error.cause as? Errno == .wouldBlock else { throw error }
            return nil
        }
    }

    /// The path of the open file, without links on its way.
    ///
    /// The corresponding C function is `readlink`, on `/proc/self/fd` (proc_pid_fd(5)).
    package func realPath() throws(StorageError) -> String {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = try systemCall("readlink", "find the path of '\(path)'", path: path) {
            unsafe buffer.withUnsafeMutableBytes { bytes in
                guard let start = unsafe bytes.baseAddress?.assumingMemoryBound(to: CChar.self) else { return 0 }
                return unsafe storlib_readlink("/proc/self/fd/\(descriptor)", start, bytes.count)
            }
        }
        return String(decoding: buffer[..<count], as: UTF8.self)
    }

    /// Lets what was written go from memory, so that it is read from the disk; it must be synchronised before.
    ///
    /// The corresponding C function is `posix_fadvise` with `POSIX_FADV_DONTNEED`.
    package func dropCache() throws(StorageError) {
        try systemCall("posix_fadvise", "drop '\(path)' from memory", path: path) { storlib_drop_cache(descriptor) }
    }
}
