internal import StorageBase

/// The header of a qcow2 image, version 2 or 3, with its extensions ("The qcow2 image format", `docs/interop/qcow2.txt` of QEMU).
struct QCOW2Header {
    static let magic: UInt32 = 0x5146_49FB
    /// Clusters of 512 bytes to 2 MiB, as QEMU has them.
    static let clusterBits: ClosedRange<UInt32> = 9...21
    /// An L1 table is held in memory whole: QEMU's limit (`QCOW_MAX_L1_SIZE`).
    static let maximumL1ByteCount: UInt64 = 32 << 20
    /// A backing file's name is a path: QEMU's limit.
    static let maximumNameLength = 1023
    /// More than anybody has defined; each costs a read.
    private static let maximumExtensions = 256

    struct IncompatibleFeatures {
        static let dirty: UInt64 = 1
        static let corrupt: UInt64 = 2
        static let dataFile: UInt64 = 4
        static let compression: UInt64 = 8
        static let extendedL2: UInt64 = 16
        static let known: UInt64 = 31
    }
    static let lazyRefcounts: UInt64 = 1
    static let rawDataFile: UInt64 = 2

    enum Extension {
        static let backingFormat: UInt32 = 0xE279_2ACA
        static let featureNames: UInt32 = 0x6803_F857
        static let bitmaps: UInt32 = 0x2385_2875
        static let encryption: UInt32 = 0x0537_BE77
        static let dataFile: UInt32 = 0x4441_5441
    }

    /// A range of the file that an extension refers to.
    struct Reference {
        let offset: UInt64
        let length: UInt64
    }

    var version: UInt32 = 3
    var backingName: String?
    var backingFormatName: String?
    var clusterBits: UInt32 = 16
    var virtualSize: UInt64 = 0
    var encryptionMethod: UInt32 = 0
    var l1EntryCount: UInt32 = 0
    var l1Offset: UInt64 = 0
    var refcountTableOffset: UInt64 = 0
    var refcountTableClusters: UInt32 = 0
    var snapshotCount: UInt32 = 0
    var snapshotsOffset: UInt64 = 0
    var incompatibleFeatures: UInt64 = 0
    var compatibleFeatures: UInt64 = 0
    var autoclearFeatures: UInt64 = 0
    var refcountOrder: UInt32 = 4
    var headerLength: UInt32 = 72
    var compressionType: UInt8 = 0
    var dataFileName: String?
    var encryptionHeader: Reference?
    /// The bitmaps' number and directory, where the feature bit says that they are valid.
    var bitmaps: (count: UInt32, directory: Reference)?

    init() {}

    init(_ file: ImageFile) throws(StorageError) {
        let header = try file.bytes(at: 0, count: 72, "its header")
        version = try header.bigEndian(UInt32.self, at: 4)
        guard version == 2 || version == 3 else {
            throw file.unsupported("qcow2 version \(version) is not known", at: 4)
        }
        clusterBits = try header.bigEndian(UInt32.self, at: 20)
        guard Self.clusterBits.contains(clusterBits) else {
            throw file.damaged("clusters of 2^\(clusterBits) bytes are not between 2^9 and 2^21", at: 20)
        }
        virtualSize = try header.bigEndian(UInt64.self, at: 24)
        guard virtualSize <= ByteCount.maximum.bytes else {
            throw file.damaged("a disk of \(virtualSize) bytes is larger than any can be", at: 24)
        }
        encryptionMethod = try header.bigEndian(UInt32.self, at: 32)
        guard encryptionMethod <= 2 else {
            throw file.unsupported("encryption method \(encryptionMethod) is not known", at: 32)
        }
        l1EntryCount = try header.bigEndian(UInt32.self, at: 36)
        l1Offset = try header.bigEndian(UInt64.self, at: 40)
        refcountTableOffset = try header.bigEndian(UInt64.self, at: 48)
        refcountTableClusters = try header.bigEndian(UInt32.self, at: 56)
        snapshotCount = try header.bigEndian(UInt32.self, at: 60)
        snapshotsOffset = try header.bigEndian(UInt64.self, at: 64)
        if version == 3 { try readVersion3(file) }
        try readBackingName(file)
        try readExtensions(file)
    }

    private mutating func readVersion3(_ file: ImageFile) throws(StorageError) {
        let header = try file.bytes(at: 0, count: 104, "its header")
        incompatibleFeatures = try header.bigEndian(UInt64.self, at: 72)
        compatibleFeatures = try header.bigEndian(UInt64.self, at: 80)
        autoclearFeatures = try header.bigEndian(UInt64.self, at: 88)
        refcountOrder = try header.bigEndian(UInt32.self, at: 96)
        headerLength = try header.bigEndian(UInt32.self, at: 100)
        let unknown = incompatibleFeatures & ~IncompatibleFeatures.known
        guard unknown == 0 else {
            throw file.unsupported("it has features 0x\(String(unknown, radix: 16)) that are not known", at: 72)
        }
        guard refcountOrder <= 6 else {
            throw file.damaged("reference counts of 2^\(refcountOrder) bits are more than 64", at: 96)
        }
        guard headerLength >= 104, UInt64(headerLength) <= clusterSize, headerLength % 8 == 0 else {
            throw file.damaged("a header of \(headerLength) bytes is not between 104 and a cluster", at: 100)
        }
        if headerLength > 104 { compressionType = try file.bytes(at: 104, count: 1, "its header")[0] }
        guard compressionType <= 1 else {
            throw file.unsupported("compression type \(compressionType) is not known", at: 104)
        }
        if extendedL2, clusterBits < 14 {
            throw file.damaged("extended L2 entries want clusters of at least 16 KiB", at: 20)
        }
    }

    private mutating func readBackingName(_ file: ImageFile) throws(StorageError) {
        let header = try file.bytes(at: 0, count: 20, "its header")
        let offset = try header.bigEndian(UInt64.self, at: 8)
        let length = try header.bigEndian(UInt32.self, at: 16)
        guard offset != 0 else { return }
        guard offset < clusterSize, UInt64(length) <= clusterSize - offset, length <= Self.maximumNameLength else {
            throw file.damaged("the backing file's name of \(length) bytes does not fit the first cluster", at: 8)
        }
        backingName = try name(file.bytes(at: offset, count: Int(length), "the backing file's name"), file, offset)
        extensionsEnd = offset
    }

    private var extensionsEnd: UInt64?

    private func name(_ bytes: [UInt8], _ file: ImageFile, _ offset: UInt64) throws(StorageError) -> String {
        guard !bytes.contains(0), let name = String(validating: bytes, as: UTF8.self) else {
            throw file.damaged("a name is not text", at: offset)
        }
        return name
    }

    private mutating func readExtensions(_ file: ImageFile) throws(StorageError) {
        var offset = UInt64(version == 2 ? 72 : headerLength)
        let end = extensionsEnd ?? clusterSize
        for _ in 0..<Self.maximumExtensions {
            // An image without extensions may end right here.
            guard offset + 8 <= end, offset + 8 <= file.size else { return }
            let fields = try file.bytes(at: offset, count: 8, "a header extension")
            let type = try fields.bigEndian(UInt32.self, at: 0)
            let length = try UInt64(fields.bigEndian(UInt32.self, at: 4))
            guard type != 0 else { return }
            guard length <= end - offset - 8 else {
                throw file.damaged("a header extension of \(length) bytes does not fit the first cluster", at: offset)
            }
            try read(type, at: offset + 8, Int(length), file)
            offset += 8 + (length + 7) / 8 * 8
        }
        throw file.damaged("there are more than \(Self.maximumExtensions) header extensions", at: offset)
    }

    private mutating func read(_ type: UInt32, at offset: UInt64, _ length: Int, _ file: ImageFile)
        throws(StorageError)
    {
        switch type {
        case Extension.backingFormat, Extension.dataFile:
            guard length <= Self.maximumNameLength else {
                throw file.damaged("a name of \(length) bytes is no file's", at: offset)
            }
            let name = try name(file.bytes(at: offset, count: length, "a header extension"), file, offset)
            if type == Extension.dataFile { dataFileName = name } else { backingFormatName = name }
        case Extension.encryption where encryptionMethod == 2:
            guard length >= 16 else { throw file.damaged("the encryption extension has \(length) bytes", at: offset) }
            encryptionHeader = try reference(file.bytes(at: offset, count: 16, "a header extension"), at: 0)
        case Extension.bitmaps where autoclearFeatures & 1 != 0:
            guard length >= 24 else { throw file.damaged("the bitmaps extension has \(length) bytes", at: offset) }
            let bytes = try file.bytes(at: offset, count: 24, "a header extension")
            let directory = Reference(
                offset: try bytes.bigEndian(UInt64.self, at: 16),
                length: try bytes.bigEndian(UInt64.self, at: 8)
            )
            bitmaps = (try bytes.bigEndian(UInt32.self, at: 0), directory)
        default: break
        }
    }

    private func reference(_ bytes: [UInt8], at offset: Int) throws(StorageError) -> Reference {
        Reference(
            offset: try bytes.bigEndian(UInt64.self, at: offset),
            length: try bytes.bigEndian(UInt64.self, at: offset + 8)
        )
    }
}

extension QCOW2Header {
    var clusterSize: UInt64 { 1 << UInt64(clusterBits) }
    var extendedL2: Bool { incompatibleFeatures & IncompatibleFeatures.extendedL2 != 0 }
    var hasDataFile: Bool { incompatibleFeatures & IncompatibleFeatures.dataFile != 0 }
    var l2EntryByteCount: UInt64 { extendedL2 ? 16 : 8 }
    /// The number of entries of an L2 table, a cluster.
    var l2EntryCount: UInt64 { clusterSize / l2EntryByteCount }
    /// The bytes of the guest's disk that one L2 table describes.
    var l2Coverage: UInt64 { l2EntryCount * clusterSize }
    var codec: Codec { compressionType == 1 ? .zstd : .deflate }
    /// The number of L1 entries that a size needs.
    func l1EntryCount(for size: UInt64) -> UInt64 {
        size == 0 ? 0 : (size - 1) / l2Coverage + 1
    }
    /// The number of reference counts in a refcount block, a cluster.
    var refcountsPerBlock: UInt64 { (clusterSize * 8) >> UInt64(refcountOrder) }

    var imageDescription: ImageDescription {
        var description = ImageDescription(format: .qcow2, virtualSize: ByteCount(virtualSize))
        description.version = "\(version)"
        description.clusterSize = ByteCount(clusterSize)
        description.compatibility = version == 2 ? "0.10" : "1.1"
        if compatibleFeatures & Self.lazyRefcounts != 0 { description.features.append("lazy_refcounts") }
        if extendedL2 { description.features.append("extended_l2") }
        if hasDataFile {
            description.features.append("data_file")
            if autoclearFeatures & Self.rawDataFile != 0 { description.features.append("data_file_raw") }
        }
        if bitmaps != nil { description.features.append("bitmaps") }
        if version == 3 { description.compression = compressionType == 1 ? "zstd" : "zlib" }
        switch encryptionMethod {
        case 1: description.encryption = "aes"
        case 2: description.encryption = "luks"
        default: break
        }
        description.backing = backingName.map {
            ImageDescription.Backing(name: $0, format: backingFormatName.flatMap { ImageFormat(rawValue: $0) })
        }
        description.dataFiles = [dataFileName].compactMap(\.self)
        description.snapshotCount = Int(snapshotCount)
        description.isDirty = incompatibleFeatures & IncompatibleFeatures.dirty != 0
        description.isCorrupt = incompatibleFeatures & IncompatibleFeatures.corrupt != 0
        return description
    }

    /// The first cluster of an image with this header.
    func firstCluster() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Int(clusterSize))
        let length = version == 2 ? 72 : 112
        bytes.store(bigEndian: Self.magic, at: 0)
        bytes.store(bigEndian: version, at: 4)
        bytes.store(bigEndian: clusterBits, at: 20)
        bytes.store(bigEndian: virtualSize, at: 24)
        bytes.store(bigEndian: encryptionMethod, at: 32)
        bytes.store(bigEndian: l1EntryCount, at: 36)
        bytes.store(bigEndian: l1Offset, at: 40)
        bytes.store(bigEndian: refcountTableOffset, at: 48)
        bytes.store(bigEndian: refcountTableClusters, at: 56)
        bytes.store(bigEndian: snapshotCount, at: 60)
        bytes.store(bigEndian: snapshotsOffset, at: 64)
        if version == 3 {
            bytes.store(bigEndian: incompatibleFeatures, at: 72)
            bytes.store(bigEndian: compatibleFeatures, at: 80)
            bytes.store(bigEndian: autoclearFeatures, at: 88)
            bytes.store(bigEndian: refcountOrder, at: 96)
            bytes.store(bigEndian: UInt32(length), at: 100)
            bytes[104] = compressionType
        }
        var offset = length
        func addExtension(_ type: UInt32, _ content: [UInt8]) {
            bytes.store(bigEndian: type, at: offset)
            bytes.store(bigEndian: UInt32(content.count), at: offset + 4)
            bytes.store(content, at: offset + 8)
            offset += 8 + (content.count + 7) / 8 * 8
        }
        if let backingFormatName { addExtension(Extension.backingFormat, Array(backingFormatName.utf8)) }
        if let backingName {
            offset += 8
            bytes.store(bigEndian: UInt64(offset), at: 8)
            bytes.store(bigEndian: UInt32(backingName.utf8.count), at: 16)
            bytes.store(backingName.utf8, at: offset)
        }
        return bytes
    }

    /// The bytes that ``firstCluster()`` needs.
    var firstClusterNeed: UInt64 {
        var need = 112 + 16
        if let backingFormatName { need += 16 + backingFormatName.utf8.count }
        if let backingName { need += backingName.utf8.count }
        return UInt64(need)
    }
}
