internal import CLinux
internal import SystemPackage

extension OpenFile {
    /// Reads at an offset into a part of a buffer, until the part is full or the file ends.
    ///
    /// The corresponding C function is `pread`.
    ///
    /// - Returns: The number of bytes read.
    package func read(
        into buffer: inout [UInt8],
        _ part: Range<Int>,
        at offset: UInt64
    ) throws(StorageError) -> Int {
        precondition(part.lowerBound >= 0 && part.upperBound <= buffer.count)
        var position = part.lowerBound
        while position < part.upperBound {
            let place = Int64(clamping: offset.addingReportingOverflow(UInt64(position - part.lowerBound)).partialValue)
            let count = try systemCall("pread", "read '\(path)'", path: path) {
                // SAFETY: the part lies within the buffer.
                unsafe buffer.withUnsafeMutableBytes { bytes in
                    guard let start = bytes.baseAddress else { return 0 }
                    return unsafe storlib_pread(descriptor, start + position, part.upperBound - position, place)
                }
            }
            if count == 0 { break }
            position += count
        }
        return position - part.lowerBound
    }

    /// Reads up to a number of bytes at an offset; fewer where the file ends.
    ///
    /// The corresponding C function is `pread`.
    package func read(count: Int, at offset: UInt64) throws(StorageError) -> [UInt8] {
        var failure: StorageError?
        // SAFETY: each call fills the buffer from where the last one ended, and no further than its end.
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            guard let start = buffer.baseAddress else { return }
            do throws(StorageError) {
                while filled < count {
                    let place = Int64(clamping: offset.addingReportingOverflow(UInt64(filled)).partialValue)
                    let read = try systemCall("pread", "read '\(path)'", path: path) {
                        unsafe storlib_pread(descriptor, start + filled, count - filled, place)
                    }
                    if read == 0 { return }
                    filled += read
                }
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return bytes
    }

    /// Writes a part of a buffer at an offset.
    ///
    /// The corresponding C function is `pwrite`.
    package func write(_ bytes: [UInt8], _ part: Range<Int>, at offset: UInt64) throws(StorageError) {
        precondition(part.lowerBound >= 0 && part.upperBound <= bytes.count)
        var position = part.lowerBound
        while position < part.upperBound {
            let place = Int64(clamping: offset.addingReportingOverflow(UInt64(position - part.lowerBound)).partialValue)
            position += try systemCall("pwrite", "write to '\(path)'", path: path) {
                // SAFETY: the part lies within the buffer.
                unsafe bytes.withUnsafeBytes { bytes in
                    guard let start = bytes.baseAddress else { return 0 }
                    return unsafe storlib_pwrite(descriptor, start + position, part.upperBound - position, place)
                }
            }
        }
    }

    /// The first byte at or after an offset that is not in a hole; nil where only a hole follows.
    ///
    /// The corresponding C function is `lseek` with `SEEK_DATA`.
    package func nextData(from offset: UInt64) throws(StorageError) -> UInt64? {
        do throws(StorageError) {
            return try UInt64(
                systemCall("lseek", "look for data in '\(path)'", path: path) {
                    storlib_seek(descriptor, Int64(clamping: offset), Int32(STORLIB_SEEK_DATA))
                }
            )
        } catch {
            guard error.cause as? Errno == .noSuchAddressOrDevice else { throw error }
            return nil
        }
    }

    /// The first byte at or after an offset that is in a hole, or the file's end.
    ///
    /// The corresponding C function is `lseek` with `SEEK_HOLE`.
    package func nextHole(from offset: UInt64) throws(StorageError) -> UInt64 {
        try UInt64(
            systemCall("lseek", "look for a hole in '\(path)'", path: path) {
                storlib_seek(descriptor, Int64(clamping: offset), Int32(STORLIB_SEEK_HOLE))
            }
        )
    }

    /// The size of the file or the block device.
    ///
    /// The corresponding C function is `lseek` with `SEEK_END`.
    package func contentSize() throws(StorageError) -> UInt64 {
        try UInt64(
            systemCall("lseek", "read the size of '\(path)'", path: path) { storlib_seek(descriptor, 0, SEEK_END) }
        )
    }

    /// Lets the kernel copy bytes from another file, or share them where the file system does.
    ///
    /// The corresponding C function is `copy_file_range`.
    ///
    /// - Returns: The number of bytes copied; 0 at the source's end.
    /// - Throws: `StorageError` with code `notSupported` where the kernel cannot copy between these files.
    package func copy(
        from source: borrowing OpenFile,
        at offset: UInt64,
        to target: UInt64,
        count: UInt64
    ) throws(StorageError) -> UInt64 {
        let sourceDescriptor = source.descriptor
        do throws(StorageError) {
            return try UInt64(
                systemCall("copy_file_range", "copy '\(source.path)' to '\(path)'", path: path) {
                    storlib_copy_file_range(
                        sourceDescriptor,
                        Int64(clamping: offset),
                        descriptor,
                        Int64(clamping: target),
                        Int(clamping: count)
                    )
                }
            )
        } catch {
            // Other file systems (EXDEV), and devices and the like (EINVAL).
            switch error.cause as? Errno {
            case .improperLink, .invalidArgument:
                throw StorageError(
                    .notSupported,
                    error.message,
                    context: error.context,
                    cause: error.cause
                )
            default: throw error
            }
        }
    }

    /// Makes this file share all of another file's blocks, copied when one of the two is written to.
    ///
    /// The corresponding C function is `ioctl` with `FICLONE` (ioctl_ficlonerange(2)).
    ///
    /// - Returns: False where the file system cannot share, or holds only one of the files.
    package func share(_ source: borrowing OpenFile) throws(StorageError) -> Bool {
        let sourceDescriptor = source.descriptor
        do throws(StorageError) {
            try systemCall("ioctl", "share the blocks of '\(source.path)' with '\(path)'", path: path) {
                storlib_clone(descriptor, sourceDescriptor)
            }
            return true
        } catch {
            switch error.cause as? Errno {
            case .improperLink, .invalidArgument, .notSupported, .notSupportedOnSocket, .inappropriateIOCTLForDevice:
                return false
            default: throw error
            }
        }
    }

    /// Takes a range's blocks away: it reads as zeros; the file's size stays.
    ///
    /// The corresponding C function is `fallocate` with `FALLOC_FL_PUNCH_HOLE`; on a block device it discards.
    ///
    /// - Throws: `StorageError` with code `notSupported` where the file system has no such call.
    package func deallocate(offset: UInt64, length: UInt64) throws(StorageError) {
        guard length > 0 else { return }
        try systemCall("fallocate", "deallocate \(length) bytes of '\(path)'", path: path) {
            storlib_fallocate(
                descriptor,
                Int32(STORLIB_FALLOC_FL_PUNCH_HOLE) | Int32(STORLIB_FALLOC_FL_KEEP_SIZE),
                Int64(clamping: offset),
                Int64(clamping: length)
            )
        }
    }

    /// Makes the content that was written last through a crash, with as much of the status as reading it needs.
    ///
    /// The corresponding C function is `fdatasync`.
    package func synchronizeData() throws(StorageError) {
        try systemCall("fdatasync", "write '\(path)' to its disk", path: path) { storlib_fdatasync(descriptor) }
    }
}
