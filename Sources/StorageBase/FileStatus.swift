internal import CLinux

/// What the file system knows of a file (statx(2)).
package struct FileStatus: Sendable, Hashable {
    package enum Kind: Sendable {
        case regular
        case directory
        case symbolicLink
        case other
    }

    package let kind: Kind
    package let identity: FileIdentity
    package let size: ByteCount
    package let allocated: ByteCount
    package let mode: UInt32
    package let owner: UInt32
    package let group: UInt32
    package let accessed: Timestamp
    package let modified: Timestamp
    package let changed: Timestamp
    /// Nil where the file system keeps no time of birth.
    package let born: Timestamp?

    init(_ status: statx) {
        kind =
            switch Int32(status.stx_mode) & S_IFMT {
            case S_IFREG: .regular
            case S_IFDIR: .directory
            case S_IFLNK: .symbolicLink
            default: .other
            }
        identity = unsafe withUnsafePointer(to: status) { status in
            unsafe FileIdentity(device: storlib_statx_device(status), inode: status.pointee.stx_ino)
        }
        size = ByteCount(status.stx_size)
        // st_blocks counts units of 512 bytes whatever the file system's block size (stat(3type)).
        allocated = ByteCount(status.stx_blocks.multipliedReportingOverflow(by: 512).partialValue)
        mode = UInt32(status.stx_mode) & 0o7777
        owner = status.stx_uid
        group = status.stx_gid
        accessed = Timestamp(status.stx_atime)
        modified = Timestamp(status.stx_mtime)
        changed = Timestamp(status.stx_ctime)
        born = status.stx_mask & STATX_BTIME != 0 ? Timestamp(status.stx_btime) : nil
    }
}

extension Timestamp {
    fileprivate init(_ time: statx_timestamp) {
        self.init(seconds: time.tv_sec, nanoseconds: time.tv_nsec)
    }
}
