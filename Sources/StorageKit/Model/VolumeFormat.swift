/// The format of a volume: of an image file, or the type of a partition.
///
/// ``PoolKind/volumeFormats`` lists those of each kind of pool.
public struct VolumeFormat: RawRepresentable, Hashable, Sendable, Codable {
    /// The value of `<target><format type>`.
    public let rawValue: String

    /// Makes a format of the value of `<target><format type>`.
    public init(rawValue: String) {
        self.rawValue = rawValue
    }

    /// A plain file: its bytes are the disk's.
    public static let raw = VolumeFormat(rawValue: "raw")
    /// A directory.
    public static let dir = VolumeFormat(rawValue: "dir")
    /// A Bochs disk image.
    public static let bochs = VolumeFormat(rawValue: "bochs")
    /// A compressed loopback image.
    public static let cloop = VolumeFormat(rawValue: "cloop")
    /// A Mac disk image.
    public static let dmg = VolumeFormat(rawValue: "dmg")
    /// A CD-ROM image.
    public static let iso = VolumeFormat(rawValue: "iso")
    /// A VirtualPC image.
    public static let vpc = VolumeFormat(rawValue: "vpc")
    /// A VirtualBox image.
    public static let vdi = VolumeFormat(rawValue: "vdi")
    /// A directory shown as a FAT file system.
    public static let fat = VolumeFormat(rawValue: "fat")
    /// A Virtual Hard Disk.
    public static let vhd = VolumeFormat(rawValue: "vhd")
    /// A Virtuozzo image.
    public static let ploop = VolumeFormat(rawValue: "ploop")
    /// A User Mode Linux image.
    public static let cow = VolumeFormat(rawValue: "cow")
    /// A QEMU image, version 1.
    public static let qcow = VolumeFormat(rawValue: "qcow")
    /// A QEMU image, version 2 or 3.
    public static let qcow2 = VolumeFormat(rawValue: "qcow2")
    /// A QEMU enhanced disk.
    public static let qed = VolumeFormat(rawValue: "qed")
    /// A VMware image.
    public static let vmdk = VolumeFormat(rawValue: "vmdk")
    /// A Hyper-V image; libvirt has no name for it.
    public static let vhdx = VolumeFormat(rawValue: "vhdx")
    /// A Parallels image; libvirt has no name for it.
    public static let parallels = VolumeFormat(rawValue: "parallels")

    /// A partition of no particular type.
    public static let none = VolumeFormat(rawValue: "none")
    /// A Linux partition.
    public static let linux = VolumeFormat(rawValue: "linux")
    /// A FAT16 partition.
    public static let fat16 = VolumeFormat(rawValue: "fat16")
    /// A FAT32 partition.
    public static let fat32 = VolumeFormat(rawValue: "fat32")
    /// A swap partition.
    public static let linuxSwap = VolumeFormat(rawValue: "linux-swap")
    /// A partition that is an LVM physical volume.
    public static let linuxLVM = VolumeFormat(rawValue: "linux-lvm")
    /// A partition that is a member of a RAID.
    public static let linuxRAID = VolumeFormat(rawValue: "linux-raid")
    /// The partition that holds the logical ones.
    public static let extended = VolumeFormat(rawValue: "extended")
}

extension VolumeFormat: CustomStringConvertible {
    /// The value of `<target><format type>`.
    public var description: String { rawValue }
}

extension VolumeFormat {
    /// The format of a volume that is an image; a LUKS container is a raw volume that is encrypted, as libvirt has it.
    init(_ format: ImageFormat) {
        switch format {
        case .luks, .luks2: self = .raw
        default: self.init(rawValue: format.rawValue)
        }
    }

    /// The format of the image that a volume of this format is; nil for partitions, directories and the like.
    var imageFormat: ImageFormat? { ImageFormat(rawValue: rawValue) }
}
