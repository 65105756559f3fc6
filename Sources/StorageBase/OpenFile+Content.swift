internal import CLinux

extension OpenFile {
    /// Sets the size; what is cut is lost, what is added reads as zeros.
    ///
    /// The corresponding C function is `ftruncate`.
    package func setSize(_ size: ByteCount) throws(StorageError) {
        try systemCall("ftruncate", "set the size of '\(path)' to \(size.bytes) bytes", path: path) {
            storlib_ftruncate(descriptor, Int64(clamping: size.bytes))
        }
    }

    /// Gives a range of the file blocks of its own, filled with zeros where it had none.
    ///
    /// The corresponding C function is `fallocate`.
    ///
    /// - Parameter keepingSize: Whether the file's size stays where the range ends behind it.
    /// - Throws: `StorageError` with code `notSupported` where the file system has no such call.
    package func allocate(offset: ByteCount, length: ByteCount, keepingSize: Bool) throws(StorageError) {
        guard length > .zero else { return }
        try systemCall("fallocate", "allocate \(length.bytes) bytes of '\(path)'", path: path) {
            storlib_fallocate(
                descriptor,
                keepingSize ? Int32(STORLIB_FALLOC_FL_KEEP_SIZE) : 0,
                Int64(clamping: offset.bytes),
                Int64(clamping: length.bytes)
            )
        }
    }

    /// Writes all bytes at an offset.
    ///
    /// The corresponding C function is `pwrite`.
    package func write(_ bytes: [UInt8], at offset: ByteCount = .zero) throws(StorageError) {
        var written = 0
        while written < bytes.count {
            let position = Int64(clamping: offset.bytes) + Int64(written)
            let count = try systemCall("pwrite", "write to '\(path)'", path: path) {
                unsafe bytes.withUnsafeBytes { buffer in
                    let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[written...])
                    guard let start = rest.baseAddress else { return 0 }
                    return unsafe storlib_pwrite(descriptor, start, rest.count, position)
                }
            }
            written += count
        }
    }

    /// Writes all bytes at the file's end, in one call so that those of two programs do not mix.
    ///
    /// The corresponding C function is `write`, on a file opened with ``OpenFlags/append``.
    package func append(_ bytes: [UInt8]) throws(StorageError) {
        try systemCall("write", "write to '\(path)'", path: path) {
            unsafe bytes.withUnsafeBytes { buffer in
                guard let start = buffer.baseAddress else { return 0 }
                return unsafe storlib_write(descriptor, start, buffer.count)
            }
        }
    }

    /// Reads the whole file, which may be at most `limit` bytes.
    ///
    /// The corresponding C function is `read`: a pipe can be read too.
    ///
    /// - Throws: `StorageError` with code `invalidArgument` where the file is larger.
    package func readAll(limit: Int) throws(StorageError) -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16384)
        while true {
            let count = try systemCall("read", "read '\(path)'", path: path) {
                unsafe buffer.withUnsafeMutableBytes { buffer in
                    guard let start = buffer.baseAddress else { return 0 }
                    return unsafe storlib_read(descriptor, start, buffer.count)
                }
            }
            if count == 0 { return bytes }
            bytes += buffer[..<count]
            if bytes.count > limit {
                throw StorageError(
                    .invalidArgument,
                    "'\(path)' is larger than \(limit) bytes",
                    context: StorageError.Context(path: path)
                )
            }
        }
    }
}
