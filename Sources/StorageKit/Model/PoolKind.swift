/// What a pool is carved from; the raw value is the `type` of its document.
///
/// The kinds are those of libvirt 9.0 (`virStoragePoolType`). A kind without a backend is read, validated and printed,
/// and says at its start that it has none.
public enum PoolKind: String, Sendable, Hashable, Codable, CaseIterable {
    /// A directory; its files are the volumes.
    case directory = "dir"
    /// A file system on a block device, mounted at the target.
    case filesystem = "fs"
    /// A file system exported by a server, mounted at the target.
    case networkFilesystem = "netfs"
    /// An LVM volume group; its logical volumes are the volumes.
    case logical
    /// A disk; its partitions are the volumes.
    case disk
    /// An iSCSI target in a session of the kernel; its LUNs are the volumes.
    case iscsi
    /// An iSCSI target in a session of this program; its LUNs are the volumes.
    case iscsiDirect = "iscsi-direct"
    /// A SCSI host adapter; its LUNs are the volumes.
    case scsi
    /// The multipath devices of the host.
    case multipath = "mpath"
    /// A Ceph pool; its RBD images are the volumes.
    case rbd
    /// A Sheepdog cluster.
    case sheepdog
    /// A Gluster volume.
    case gluster
    /// A ZFS pool.
    case zfs
    /// A Virtuozzo storage cluster.
    case virtuozzo = "vstorage"
}

extension PoolKind {
    /// What must name the source of a pool of a kind.
    struct SourceParts: OptionSet {
        let rawValue: Int

        static let host = SourceParts(rawValue: 1)
        static let device = SourceParts(rawValue: 2)
        static let directory = SourceParts(rawValue: 4)
        static let adapter = SourceParts(rawValue: 8)
        static let name = SourceParts(rawValue: 16)
    }

    /// The parts that libvirt's document of this kind has (`poolTypeInfo`).
    var sourceParts: SourceParts {
        switch self {
        case .directory, .multipath: []
        case .filesystem, .disk: .device
        case .networkFilesystem: [.host, .directory]
        case .logical, .zfs: [.name, .device]
        case .iscsi, .iscsiDirect: [.host, .device]
        case .scsi: .adapter
        case .rbd, .sheepdog: [.host, .name]
        case .gluster: [.host, .name, .directory]
        case .virtuozzo: .name
        }
    }

    /// Whether the volumes are reached over the network alone: such a pool has no target.
    var hasTarget: Bool {
        switch self {
        case .rbd, .sheepdog, .gluster, .iscsiDirect: false
        default: true
        }
    }

    /// The values of `<source><format type>`, the default first; empty where the kind has no such element.
    public var sourceFormats: [PoolFormat] {
        switch self {
        case .filesystem:
            [
                "auto", "ext2", "ext3", "ext4", "ufs", "iso9660", "udf", "gfs", "gfs2", "vfat", "hfs+", "xfs", "ocfs2",
                "vmfs",
            ]
        case .networkFilesystem: ["auto", "nfs", "glusterfs", "cifs"]
        case .disk: ["unknown", "dos", "dvh", "gpt", "mac", "bsd", "pc98", "sun", "lvm2"]
        case .logical: ["lvm2", "unknown"]
        default: []
        }
    }

    /// The values of a volume's `<target><format type>`, the default first; empty where the kind has no such element.
    public var volumeFormats: [VolumeFormat] {
        switch self {
        case .directory, .filesystem, .networkFilesystem, .gluster, .virtuozzo, .rbd:
            [
                .raw, .dir, .bochs, .cloop, .dmg, .iso, .vpc, .vdi, .fat, .vhd, .ploop, .cow, .qcow, .qcow2, .qed,
                .vmdk, .vhdx, .parallels,
            ]
        case .disk: [.none, .linux, .fat16, .fat32, .linuxSwap, .linuxLVM, .linuxRAID, .extended]
        default: []
        }
    }
}

extension PoolKind: CustomStringConvertible {
    /// The `type` of the pool's document.
    public var description: String { rawValue }
}
