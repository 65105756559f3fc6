internal import StorageBase

/// The footer of a VHD, of which disks that grow have a copy at their beginning ("Virtual Hard Disk Image Format
/// Specification", version 1.0: Hard Disk Footer Format).
struct VHDFooter {
    static let byteCount = 512
    /// 2040 GiB: the sectors that can be counted with 32 bits, less those that QEMU leaves for tables (`VHD_MAX_SECTORS`).
    static let maximumVirtualSize: UInt64 = 0xFF00_0000 * 512
    private static let cookie = Array("conectix".utf8)
    private static let checksumOffset = 64
    /// The geometry that says that the disk's size is in the footer, and not what the geometry amounts to.
    private static let largestGeometry: UInt32 = 0xFFFF_10FF
    /// Programs that mean the size that they write; others mean the geometry (`vpc_ignore_current_size` of QEMU).
    private static let programsThatMeanTheSize = ["win ", "qem2", "d2v ", "CTXS"].map { Array($0.utf8) }

    enum DiskType: UInt32 {
        case fixed = 2
        case dynamic = 3
        case differencing = 4
    }

    private(set) var bytes: [UInt8]
    let isTemporary: Bool
    let version: UInt32
    /// Where the header of a disk that grows is.
    let headerOffset: UInt64
    private(set) var virtualSize: UInt64
    let typeNumber: UInt32
    let isInSavedState: Bool

    var type: DiskType? { DiskType(rawValue: typeNumber) }

    /// Whether bytes begin as a footer does.
    static func begins(_ bytes: [UInt8]) -> Bool { bytes.starts(with: cookie) }

    /// Whether bytes are a footer whose checksum is right.
    static func isWhole(_ bytes: [UInt8]) -> Bool {
        bytes.count == byteCount && begins(bytes) && hasValidChecksum(bytes, at: checksumOffset)
    }

    /// The complement of the sum of all bytes but the checksum's own.
    static func checksum(_ bytes: [UInt8], at offset: Int) -> UInt32 {
        var sum: UInt32 = 0
        for (index, byte) in bytes.enumerated() where index < offset || index >= offset + 4 { sum &+= UInt32(byte) }
        return ~sum
    }

    static func hasValidChecksum(_ bytes: [UInt8], at offset: Int) -> Bool {
        (try? bytes.bigEndian(UInt32.self, at: offset)) == checksum(bytes, at: offset)
    }

    init(_ bytes: [UInt8]) throws(StorageError) {
        self.bytes = bytes
        isTemporary = try bytes.bigEndian(UInt32.self, at: 8) & 1 != 0
        version = try bytes.bigEndian(UInt32.self, at: 12)
        headerOffset = try bytes.bigEndian(UInt64.self, at: 16)
        typeNumber = try bytes.bigEndian(UInt32.self, at: 60)
        isInSavedState = bytes[84] != 0
        let program = bytes[28..<32]
        let geometry = try bytes.bigEndian(UInt32.self, at: 56)
        if geometry == Self.largestGeometry || program.starts(with: "tap".utf8)
            || Self.programsThatMeanTheSize.contains(where: { program.elementsEqual($0) })
        {
            virtualSize = try bytes.bigEndian(UInt64.self, at: 48) / 512 * 512
        } else {
            // Cylinders, heads, and sectors in a track.
            virtualSize = UInt64(geometry >> 16) * UInt64(geometry >> 8 & 0xFF) * UInt64(geometry & 0xFF) * 512
        }
    }

    /// Makes the footer of a new disk, as QEMU does with `force_size`: all programs that know it take the exact size.
    init(type: DiskType, virtualSize: UInt64) {
        bytes = [UInt8](repeating: 0, count: Self.byteCount)
        isTemporary = false
        version = 0x0001_0000
        headerOffset = type == .fixed ? .max : UInt64(Self.byteCount)
        self.virtualSize = virtualSize
        typeNumber = type.rawValue
        isInSavedState = false
        bytes.store(Self.cookie, at: 0)
        bytes.store(bigEndian: 2 as UInt32, at: 8)
        bytes.store(bigEndian: version, at: 12)
        bytes.store(bigEndian: headerOffset, at: 16)
        // Seconds since 2000-01-01 00:00 UTC.
        bytes.store(bigEndian: UInt32(clamping: Timestamp.now.seconds - 946_684_800), at: 24)
        bytes.store("qem2".utf8, at: 28)
        bytes.store(bigEndian: 0x0005_0003 as UInt32, at: 32)
        bytes.store("Wi2k".utf8, at: 36)
        bytes.store(bigEndian: virtualSize, at: 40)
        bytes.store(bigEndian: typeNumber, at: 60)
        bytes.store(StorageUUID.random().bytes, at: 68)
        resize(to: virtualSize)
    }

    /// Gives the disk another size.
    mutating func resize(to size: UInt64) {
        virtualSize = size
        bytes.store(bigEndian: size, at: 48)
        bytes.store(bigEndian: Self.largestGeometry, at: 56)
        bytes.store(bigEndian: Self.checksum(bytes, at: Self.checksumOffset), at: Self.checksumOffset)
    }
}
