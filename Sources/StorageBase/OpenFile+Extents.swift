internal import CLinux

extension OpenFile {
    /// The next of the file's extents that reach into a range, those that are set aside and not yet written among them.
    ///
    /// The corresponding C function is `ioctl` with `FS_IOC_FIEMAP` (the kernel's Documentation/filesystems/fiemap.rst).
    ///
    /// - Returns: At most 128; none where only holes follow.
    /// - Throws: `StorageError` with code `notSupported` where the file system does not tell.
    package func extents(in range: Range<UInt64>) throws(StorageError) -> [FileExtent] {
        var result = storlib_extents()
        let count = try systemCall("ioctl", "read the extents of '\(path)'", path: path) {
            unsafe storlib_extents(descriptor, range.lowerBound, range.upperBound - range.lowerBound, &result)
        }
        return (0..<min(count, Int32(STORLIB_EXTENT_COUNT)))
            .map { index in
                let extent = unsafe storlib_extent(&result, index)
                let encoded =
                    FIEMAP_EXTENT_ENCODED | FIEMAP_EXTENT_DATA_ENCRYPTED | FIEMAP_EXTENT_DATA_INLINE
                    | FIEMAP_EXTENT_DATA_TAIL
                return FileExtent(
                    offset: extent.fe_logical,
                    length: extent.fe_length,
                    isShared: extent.fe_flags & UInt32(FIEMAP_EXTENT_SHARED) != 0,
                    isEncoded: extent.fe_flags & UInt32(encoded) != 0,
                    isLast: extent.fe_flags & UInt32(FIEMAP_EXTENT_LAST) != 0
                )
            }
    }
}
