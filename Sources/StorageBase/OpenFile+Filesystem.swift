internal import CLinux

extension OpenFile {
    /// The space of the file system that holds this file.
    package struct FilesystemSpace: Sendable {
        /// All of it.
        package let capacity: ByteCount
        /// What holds data.
        package let used: ByteCount
        /// What a program without privilege may still use, as df(1) says.
        package let available: ByteCount
    }

    /// The space of the file system that holds this file.
    ///
    /// The corresponding C function is `fstatvfs`.
    package func filesystemSpace() throws(StorageError) -> FilesystemSpace {
        var result = statvfs()
        try systemCall("fstatvfs", "read the free space of '\(path)'", path: path) {
            unsafe storlib_statvfs(descriptor, &result)
        }
        func size(_ blocks: UInt) -> ByteCount {
            let (bytes, overflow) = UInt64(blocks).multipliedReportingOverflow(by: UInt64(result.f_frsize))
            return overflow ? .maximum : ByteCount(bytes)
        }
        return FilesystemSpace(
            capacity: size(result.f_blocks),
            used: size(result.f_blocks - min(result.f_bfree, result.f_blocks)),
            available: size(result.f_bavail)
        )
    }

    /// Whether the file system is btrfs, whose files may be taken out of copy-on-write.
    ///
    /// The corresponding C function is `fstatfs`.
    package func isOnBtrfs() throws(StorageError) -> Bool {
        try systemCall("fstatfs", "read the file system of '\(path)'", path: path) {
            storlib_filesystem_magic(descriptor)
        } == BTRFS_SUPER_MAGIC
    }

    /// Whether the file system lets files share extents, or its server copies them.
    ///
    /// There the kernel copies best; elsewhere its copies take longer than reads and writes of a few MiB (measured on ext4).
    ///
    /// The corresponding C function is `fstatfs`.
    package var isOnSharingFilesystem: Bool {
        switch storlib_filesystem_magic(descriptor) {
        case Int64(BTRFS_SUPER_MAGIC), Int64(XFS_SUPER_MAGIC), Int64(NFS_SUPER_MAGIC), Int64(OCFS2_SUPER_MAGIC),
            Int64(SMB2_SUPER_MAGIC), 0xCA45_1A4E, 0x2FC1_2FC1:
            // The last two are bcachefs and ZFS, which the kernel's header leaves out.
            true
        default: false
        }
    }

    /// Why what is written to this file does not go where its old content lies; nil where it does, as far as is known.
    ///
    /// The corresponding C functions are `fstatfs`, and `ioctl` with `FS_IOC_GETFLAGS` and `FS_NOCOW_FL` (ioctl_iflags(2)).
    package func relocatesWrites() throws(StorageError) -> String? {
        let type = try systemCall("fstatfs", "read the file system of '\(path)'", path: path) {
            storlib_filesystem_magic(descriptor)
        }
        switch type {
        case Int64(BTRFS_SUPER_MAGIC):
            var flags: Int32 = 0
            try systemCall("ioctl", "read the flags of '\(path)'", path: path) {
                unsafe storlib_get_inode_flags(descriptor, &flags)
            }
            return flags & Int32(STORLIB_FS_NOCOW_FL) != 0 ? nil : "btrfs copies the file's blocks on write"
        case Int64(STORLIB_BCACHEFS_MAGIC): return "bcachefs copies blocks on write"
        case Int64(STORLIB_ZFS_MAGIC): return "ZFS copies blocks on write"
        case Int64(F2FS_SUPER_MAGIC): return "F2FS writes as a log does"
        case Int64(NILFS_SUPER_MAGIC): return "NILFS writes as a log does"
        default: return nil
        }
    }

    /// Takes the file, or what will be made in the directory, out of btrfs' copy-on-write, or puts it back.
    ///
    /// The corresponding C function is `ioctl` with `FS_IOC_SETFLAGS` and `FS_NOCOW_FL` (ioctl_iflags(2)).
    package func setCopyOnWrite(_ copyOnWrite: Bool) throws(StorageError) {
        let action = "turn copy-on-write \(copyOnWrite ? "on" : "off") for '\(path)'"
        var flags: Int32 = 0
        try systemCall("ioctl", action, path: path) { unsafe storlib_get_inode_flags(descriptor, &flags) }
        let noCopyOnWrite = Int32(STORLIB_FS_NOCOW_FL)
        let wanted = copyOnWrite ? flags & ~noCopyOnWrite : flags | noCopyOnWrite
        guard wanted != flags else { return }
        try systemCall("ioctl", action, path: path) { storlib_set_inode_flags(descriptor, wanted) }
    }

    /// The file's SELinux label, or nil where there is none.
    ///
    /// The corresponding C function is `fgetxattr` with `security.selinux`.
    package func securityLabel() -> String? {
        var label = [UInt8](repeating: 0, count: 256)
        let count = unsafe label.withUnsafeMutableBytes { buffer in
            unsafe storlib_fgetxattr(descriptor, "security.selinux", buffer.baseAddress, buffer.count)
        }
        guard count > 0 else { return nil }
        return String(decoding: label[..<count].prefix { $0 != 0 }, as: UTF8.self)
    }

    /// Sets the file's SELinux label.
    ///
    /// The corresponding C function is `fsetxattr` with `security.selinux`.
    package func setSecurityLabel(_ label: String) throws(StorageError) {
        let bytes = Array(label.utf8) + [0]
        try systemCall("fsetxattr", "set label '\(label)' on '\(path)'", path: path) {
            unsafe bytes.withUnsafeBytes { buffer in
                guard let start = buffer.baseAddress else { return Int32(0) }
                return unsafe storlib_fsetxattr(descriptor, "security.selinux", start, buffer.count)
            }
        }
    }
}
