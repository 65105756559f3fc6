internal import StorageBase

/// The header of a growing Bochs disk ("Harddisk Images", Bochs Developers Guide; `iodev/hdimage/hdimage.h` of Bochs).
struct BochsHeader {
    static let byteCount = 512
    static let magic = field("Bochs Virtual HD Image", 32)
    static let sectorSize: UInt64 = 512
    static let unallocated: UInt32 = 0xFFFF_FFFF
    /// What the largest image of Bochs has, 8 TiB, and QEMU's limit.
    static let maximumCatalogCount: UInt32 = 1 << 20
    /// QEMU's limits, a sector and what the largest image has.
    static let extentByteCounts: ClosedRange<UInt32> = 512...(8 << 20)
    private static let version1: UInt32 = 0x0001_0000
    private static let version2: UInt32 = 0x0002_0000

    let version: UInt32
    let headerByteCount: UInt32
    let catalogCount: UInt32
    let bitmapByteCount: UInt32
    let extentByteCount: UInt32
    let virtualSize: UInt64

    /// Makes the header of an image that holds a size, with a catalog and extents that grow together as Bochs has them.
    ///
    /// The size is at most ``maximumVirtualSize``.
    init(virtualSize: UInt64) {
        var catalogCount: UInt32 = 512
        var bitmapByteCount: UInt32 = 1
        var doublesBitmap = true
        while UInt64(catalogCount) * UInt64(bitmapByteCount) * 8 * Self.sectorSize < virtualSize {
            if doublesBitmap { bitmapByteCount *= 2 } else { catalogCount *= 2 }
            doublesBitmap.toggle()
        }
        version = Self.version2
        headerByteCount = UInt32(Self.byteCount)
        self.catalogCount = catalogCount
        self.bitmapByteCount = bitmapByteCount
        extentByteCount = bitmapByteCount * 8 * UInt32(Self.sectorSize)
        self.virtualSize = virtualSize
    }

    init(_ file: ImageFile) throws(StorageError) {
        let header = try file.bytes(at: 0, count: Self.byteCount, "its header")
        guard header[32..<48].elementsEqual(Self.field("Redolog", 16)),
            header[48..<64].elementsEqual(Self.field("Growing", 16))
        else {
            throw file.unsupported("it is a journal of another disk, and not a growing one", at: 32)
        }
        version = try header.littleEndian(UInt32.self, at: 64)
        guard version == Self.version1 || version == Self.version2 else {
            throw file.unsupported("version 0x\(String(version, radix: 16)) is not known", at: 64)
        }
        headerByteCount = try header.littleEndian(UInt32.self, at: 68)
        guard headerByteCount >= UInt32(Self.byteCount) else {
            throw file.damaged("a header of \(headerByteCount) bytes is less than a sector", at: 68)
        }
        catalogCount = try header.littleEndian(UInt32.self, at: 72)
        guard catalogCount <= Self.maximumCatalogCount else {
            throw file.damaged("a catalog of \(catalogCount) entries has more than 1048576", at: 72)
        }
        bitmapByteCount = try header.littleEndian(UInt32.self, at: 76)
        extentByteCount = try header.littleEndian(UInt32.self, at: 80)
        guard Self.extentByteCounts.contains(extentByteCount), extentByteCount & (extentByteCount - 1) == 0 else {
            throw file.damaged("an extent of \(extentByteCount) bytes is no power of two from 512 B to 8 MiB", at: 80)
        }
        let sectorsPerExtent = UInt64(extentByteCount) / Self.sectorSize
        guard UInt64(bitmapByteCount) * 8 >= sectorsPerExtent, bitmapByteCount <= Self.extentByteCounts.upperBound
        else {
            throw file.damaged("a bitmap of \(bitmapByteCount) bytes is not one of \(sectorsPerExtent) sectors", at: 76)
        }
        let sizeOffset = version == Self.version1 ? 84 : 88
        let size = try header.littleEndian(UInt64.self, at: sizeOffset)
        virtualSize = size / Self.sectorSize * Self.sectorSize
        guard virtualSize <= UInt64(catalogCount) * UInt64(extentByteCount) else {
            throw file.damaged(
                "a catalog of \(catalogCount) entries is too small for \(size) bytes",
                at: UInt64(sizeOffset)
            )
        }
    }

    private static func field(_ text: String, _ count: Int) -> [UInt8] {
        Array(text.utf8) + [UInt8](repeating: 0, count: count - text.utf8.count)
    }
}

extension BochsHeader {
    static var maximumVirtualSize: UInt64 { UInt64(maximumCatalogCount) * UInt64(extentByteCounts.upperBound) }

    var extentSize: UInt64 { UInt64(extentByteCount) }
    /// The extents that the disk needs, at most as many as the catalog has entries.
    var extentCount: UInt64 { (virtualSize + extentSize - 1) / extentSize }
    var sectorsPerExtent: Int { Int(extentSize / Self.sectorSize) }
    var catalogOffset: UInt64 { UInt64(headerByteCount) }
    /// Where the first extent's bitmap begins.
    var firstSlotOffset: UInt64 { catalogOffset + UInt64(catalogCount) * 4 }
    /// The bitmap before an extent, in whole sectors.
    var bitmapSize: UInt64 {
        (UInt64(bitmapByteCount) + Self.sectorSize - 1) / Self.sectorSize * Self.sectorSize
    }
    /// A bitmap and its extent.
    var slotSize: UInt64 { bitmapSize + extentSize }

    /// Where a bitmap and its extent begin, by the number in the catalog.
    func slotOffset(_ number: UInt32) -> UInt64 { firstSlotOffset + UInt64(number) * slotSize }

    var imageDescription: ImageDescription {
        var description = ImageDescription(format: .bochs, virtualSize: ByteCount(virtualSize))
        description.version = "\(version >> 16).\(version & 0xFFFF)"
        description.subformat = "growing"
        description.clusterSize = ByteCount(extentSize)
        return description
    }

    /// The bytes of the header, of version 2.
    func serialized() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Self.byteCount)
        bytes.store(Self.magic, at: 0)
        bytes.store(Array("Redolog".utf8), at: 32)
        bytes.store(Array("Growing".utf8), at: 48)
        bytes.store(littleEndian: version, at: 64)
        bytes.store(littleEndian: headerByteCount, at: 68)
        bytes.store(littleEndian: catalogCount, at: 72)
        bytes.store(littleEndian: bitmapByteCount, at: 76)
        bytes.store(littleEndian: extentByteCount, at: 80)
        bytes.store(littleEndian: virtualSize, at: 88)
        return bytes
    }
}
