internal import StorageBase

/// The header of a QEMU enhanced disk ("QED Image File Format", `docs/interop/qed_spec.rst` of QEMU).
struct QEDHeader {
    static let length = 64
    /// Clusters of 4 KiB to 64 MiB.
    static let clusterBits: ClosedRange<Int> = 12...26
    static let maximumTableClusters: UInt32 = 16
    /// A backing file's name is a path: QEMU's limit.
    static let maximumNameLength = 1023

    struct Features {
        static let backingFile: UInt64 = 1
        static let needCheck: UInt64 = 2
        static let backingFormatNoProbe: UInt64 = 4
        static let known: UInt64 = 7
    }

    let clusterSize: UInt64
    /// The clusters of an L1 or L2 table.
    let tableClusters: UInt64
    let headerClusters: UInt64
    let features: UInt64
    let l1Offset: UInt64
    let virtualSize: UInt64
    let backingName: String?

    init(_ file: ImageFile) throws(StorageError) {
        let header = try file.bytes(at: 0, count: Self.length, "its header")
        let clusterSize = try header.littleEndian(UInt32.self, at: 4)
        guard clusterSize.nonzeroBitCount == 1,
            Self.clusterBits.contains(clusterSize.trailingZeroBitCount)
        else {
            throw file.damaged("clusters of \(clusterSize) bytes are no power of two from 2^12 to 2^26", at: 4)
        }
        self.clusterSize = UInt64(clusterSize)
        let tableClusters = try header.littleEndian(UInt32.self, at: 8)
        guard tableClusters.nonzeroBitCount == 1, tableClusters <= Self.maximumTableClusters else {
            throw file.damaged("tables of \(tableClusters) clusters are no power of two from 1 to 16", at: 8)
        }
        self.tableClusters = UInt64(tableClusters)
        headerClusters = try UInt64(header.littleEndian(UInt32.self, at: 12))
        features = try header.littleEndian(UInt64.self, at: 16)
        let unknown = features & ~Features.known
        guard unknown == 0 else {
            throw file.unsupported("it has features 0x\(String(unknown, radix: 16)) that are not known", at: 16)
        }
        l1Offset = try header.littleEndian(UInt64.self, at: 40)
        virtualSize = try header.littleEndian(UInt64.self, at: 48)
        guard virtualSize <= ByteCount.maximum.bytes else {
            throw file.damaged("a disk of \(virtualSize) bytes is larger than any can be", at: 48)
        }
        guard virtualSize % 512 == 0 else {
            throw file.damaged("a disk of \(virtualSize) bytes has no whole sectors", at: 48)
        }
        backingName = try features & Features.backingFile == 0 ? nil : Self.backingName(header, file)
        guard l1EntryCount <= tableEntryCount else {
            throw file.damaged(
                "an L1 table of \(tableEntryCount) entries is too small for \(virtualSize) bytes",
                at: 48
            )
        }
    }

    private static func backingName(_ header: [UInt8], _ file: ImageFile) throws(StorageError)
        -> String?
    {
        let offset = try header.littleEndian(UInt32.self, at: 56)
        let length = try header.littleEndian(UInt32.self, at: 60)
        let headerEnd =
            try UInt64(header.littleEndian(UInt32.self, at: 12))
            * UInt64(header.littleEndian(UInt32.self, at: 4))
        guard length <= maximumNameLength, UInt64(offset) + UInt64(length) <= headerEnd else {
            throw file.damaged("the backing file's name of \(length) bytes does not fit the header", at: 56)
        }
        guard length > 0 else { return nil }
        return try file.name(at: UInt64(offset), count: Int(length), "the backing file's name")
    }
}

extension QEDHeader {
    /// Where the header ends, and clusters in use may begin.
    var headerEnd: UInt64 { headerClusters * clusterSize }
    var tableEntryCount: UInt64 { tableClusters * clusterSize / 8 }
    /// The bytes of the guest's disk that one L2 table describes.
    var l2Coverage: UInt64 { tableEntryCount * clusterSize }
    /// The number of L1 entries that are in use.
    var l1EntryCount: UInt64 { virtualSize == 0 ? 0 : (virtualSize - 1) / l2Coverage + 1 }

    var imageDescription: ImageDescription {
        var description = ImageDescription(format: .qed, virtualSize: ByteCount(virtualSize))
        description.clusterSize = ByteCount(clusterSize)
        description.backing = backingName.map {
            ImageDescription.Backing(name: $0, format: features & Features.backingFormatNoProbe != 0 ? .raw : nil)
        }
        description.isDirty = features & Features.needCheck != 0
        return description
    }
}
