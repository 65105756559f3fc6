/// The format of a disk image; the raw value is its name in libvirt's documents, or QEMU's where libvirt has none.
public enum ImageFormat: String, Hashable, Sendable, Codable, CaseIterable {
    /// A plain file: its bytes are the disk's.
    case raw
    /// A growing Bochs disk.
    case bochs
    /// A compressed loopback image.
    case cloop
    /// A User Mode Linux image.
    case cow
    /// A Mac disk image.
    case dmg
    /// A CD-ROM image.
    case iso
    /// A Parallels image.
    case parallels
    /// A QEMU image, version 1.
    case qcow
    /// A QEMU image, version 2 or 3.
    case qcow2
    /// A QEMU enhanced disk.
    case qed
    /// A VirtualBox image.
    case vdi
    /// A Hyper-V Virtual Hard Disk, version 2.
    case vhdx
    /// A VMware image.
    case vmdk
    /// A VirtualPC Virtual Hard Disk.
    case vpc
    /// A LUKS container, version 1.
    case luks
    /// A LUKS container, version 2.
    case luks2
}

extension ImageFormat: CustomStringConvertible {
    /// The format's name.
    public var description: String { rawValue }
}
