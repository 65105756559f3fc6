internal import StorageBase

/// The header of a Parallels image ("Parallels Expandable Image File Format", `docs/interop/parallels.txt` of QEMU).
struct ParallelsHeader {
    static let length: UInt64 = 64
    static let signature = Array("WithoutFreeSpace".utf8)
    static let extendedSignature = Array("WithouFreSpacExt".utf8)
    static let inUse: UInt32 = 0x746F_6E59
    /// The most that QEMU takes: a cluster stays below 2 GiB.
    static let maximumClusterSectors = UInt32(Int32.max) / 513
    /// A table of 2 GiB: QEMU's limit.
    static let maximumEntryCount = UInt32(Int32.max) / 4

    /// Whether the table counts in clusters, and the disk may have more than 2 TiB.
    let isExtended: Bool
    let clusterSize: UInt64
    let entryCount: UInt64
    let virtualSize: UInt64
    let isInUse: Bool
    /// Where clusters begin in the file.
    let dataOffset: UInt64
    let hasExtension: Bool

    init(_ file: ImageFile) throws(StorageError) {
        let header = try file.bytes(at: 0, count: Int(Self.length), "its header")
        isExtended = header.starts(with: Self.extendedSignature)
        let version = try header.littleEndian(UInt32.self, at: 16)
        guard version == 2 else {
            throw file.unsupported("Parallels version \(version) is not known", at: 16)
        }
        let clusterSectors = try header.littleEndian(UInt32.self, at: 28)
        guard (1...Self.maximumClusterSectors).contains(clusterSectors) else {
            throw file.damaged(
                "clusters of \(clusterSectors) sectors are not between 1 and \(Self.maximumClusterSectors)",
                at: 28
            )
        }
        clusterSize = UInt64(clusterSectors) * 512
        let entryCount = try header.littleEndian(UInt32.self, at: 32)
        guard entryCount <= Self.maximumEntryCount else {
            throw file.damaged("a table of \(entryCount) entries is larger than 2 GiB", at: 32)
        }
        self.entryCount = UInt64(entryCount)
        let sectorCount =
            try isExtended
            ? header.littleEndian(UInt64.self, at: 36) : UInt64(header.littleEndian(UInt32.self, at: 36))
        guard sectorCount <= ByteCount.maximum.bytes / 512 else {
            throw file.damaged("a disk of \(sectorCount) sectors is larger than any can be", at: 36)
        }
        virtualSize = sectorCount * 512
        isInUse = try header.littleEndian(UInt32.self, at: 44) == Self.inUse
        let dataSector = try header.littleEndian(UInt32.self, at: 48)
        let tableEnd = Self.length + UInt64(entryCount) * 4
        dataOffset = dataSector == 0 ? (tableEnd + 511) / 512 * 512 : UInt64(dataSector) * 512
        hasExtension = try header.littleEndian(UInt64.self, at: 56) != 0
    }
}

extension ParallelsHeader {
    /// The bytes in which the table counts.
    var entryUnit: UInt64 { isExtended ? clusterSize : 512 }

    var imageDescription: ImageDescription {
        var description = ImageDescription(format: .parallels, virtualSize: ByteCount(virtualSize))
        description.version = "2"
        description.subformat = String(decoding: isExtended ? Self.extendedSignature : Self.signature, as: UTF8.self)
        description.clusterSize = ByteCount(clusterSize)
        if hasExtension { description.features.append("format_extension") }
        description.isDirty = isInUse
        return description
    }
}
