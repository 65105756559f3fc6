internal import StorageBase

/// The header of a qcow image, version 1 ("The QCOW Image Format", McLoughlin 2006; `block/qcow.c` of QEMU).
struct QCOWHeader {
    static let magic: UInt32 = 0x5146_49FB
    static let version: UInt32 = 1
    static let length = 48
    /// Clusters of 512 bytes to 64 KiB, as QEMU has them.
    static let clusterBits: ClosedRange<UInt8> = 9...16
    /// Tables of 512 bytes to 64 KiB, as QEMU has them.
    static let l2Bits: ClosedRange<UInt8> = 6...13
    /// A table of 2 GiB: QEMU's limit.
    static let maximumL1EntryCount = UInt64(Int32.max) / 8
    /// A backing file's name is a path: QEMU's limit.
    static let maximumNameLength = 1023

    var backingName: String?
    var size: UInt64 = 0
    var clusterBits: UInt8 = 12
    var l2Bits: UInt8 = 9
    var encryptionMethod: UInt32 = 0
    var l1Offset = UInt64(length)

    init() {}

    init(_ file: ImageFile) throws(StorageError) {
        let header = try file.bytes(at: 0, count: Self.length, "its header")
        let version = try header.bigEndian(UInt32.self, at: 4)
        guard version == Self.version else {
            throw file.unsupported("qcow version \(version) is another format", at: 4)
        }
        size = try header.bigEndian(UInt64.self, at: 24)
        guard size >= 2, size <= ByteCount.maximum.bytes else {
            throw file.damaged("a disk of \(size) bytes cannot be", at: 24)
        }
        clusterBits = header[32]
        guard Self.clusterBits.contains(clusterBits) else {
            throw file.damaged("clusters of 2^\(clusterBits) bytes are not between 2^9 and 2^16", at: 32)
        }
        l2Bits = header[33]
        guard Self.l2Bits.contains(l2Bits) else {
            throw file.damaged("L2 tables of 2^\(l2Bits) entries are not between 2^6 and 2^13", at: 33)
        }
        guard l1EntryCount <= Self.maximumL1EntryCount else {
            throw file.damaged("a disk of \(size) bytes needs an L1 table of more than 2 GiB", at: 24)
        }
        encryptionMethod = try header.bigEndian(UInt32.self, at: 36)
        guard encryptionMethod <= 1 else {
            throw file.unsupported("encryption method \(encryptionMethod) is not known", at: 36)
        }
        l1Offset = try header.bigEndian(UInt64.self, at: 40)
        let nameOffset = try header.bigEndian(UInt64.self, at: 8)
        let nameLength = try header.bigEndian(UInt32.self, at: 16)
        guard nameOffset != 0, nameLength != 0 else { return }
        guard nameLength <= Self.maximumNameLength else {
            throw file.damaged("the backing file's name of \(nameLength) bytes is no path", at: 16)
        }
        backingName = try file.name(at: nameOffset, count: Int(nameLength), "the backing file's name")
    }
}

extension QCOWHeader {
    /// QEMU's disks have whole sectors.
    var virtualSize: UInt64 { size / 512 * 512 }
    var clusterSize: UInt64 { 1 << UInt64(clusterBits) }
    var l2EntryCount: UInt64 { 1 << UInt64(l2Bits) }
    /// The bytes of the guest's disk that one L2 table describes.
    var l2Coverage: UInt64 { clusterSize * l2EntryCount }
    var l1EntryCount: UInt64 { size == 0 ? 0 : (size - 1) / l2Coverage + 1 }

    /// Where the length of a compressed cluster begins in its entry; the offset is below it.
    private var lengthShift: UInt64 { 63 - UInt64(clusterBits) }
    static let compressed: UInt64 = 1 << 63

    /// The entry of a compressed cluster; nil where the format has no bits for such a one.
    func entry(compressedAt offset: UInt64, length: UInt64) -> UInt64? {
        guard offset < 1 << lengthShift, length > 0, length < clusterSize else { return nil }
        return Self.compressed | length << lengthShift | offset
    }

    /// Where the compressed cluster of an entry lies.
    func compressedCluster(_ entry: UInt64) -> (offset: UInt64, length: UInt64) {
        (entry & ((1 << lengthShift) - 1), entry >> lengthShift & (clusterSize - 1))
    }

    var imageDescription: ImageDescription {
        var description = ImageDescription(format: .qcow, virtualSize: ByteCount(virtualSize))
        description.version = "\(Self.version)"
        description.clusterSize = ByteCount(clusterSize)
        if encryptionMethod == 1 { description.encryption = "aes" }
        description.backing = backingName.map { ImageDescription.Backing(name: $0) }
        return description
    }

    /// The header and the backing file's name behind it.
    func bytes() -> [UInt8] {
        let name = backingName.map { Array($0.utf8) } ?? []
        var bytes = [UInt8](repeating: 0, count: Self.length + name.count)
        bytes.store(bigEndian: Self.magic, at: 0)
        bytes.store(bigEndian: Self.version, at: 4)
        if !name.isEmpty {
            bytes.store(bigEndian: UInt64(Self.length), at: 8)
            bytes.store(bigEndian: UInt32(name.count), at: 16)
            bytes.store(name, at: Self.length)
        }
        bytes.store(bigEndian: size, at: 24)
        bytes[32] = clusterBits
        bytes[33] = l2Bits
        bytes.store(bigEndian: encryptionMethod, at: 36)
        bytes.store(bigEndian: l1Offset, at: 40)
        return bytes
    }
}
