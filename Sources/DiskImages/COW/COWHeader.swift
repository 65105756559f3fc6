internal import StorageBase

/// The header of a User Mode Linux image, version 2 as QEMU wrote it until 2.1 (`block/cow.c`) and libvirt knows it, and
/// version 3 as User Mode Linux writes it (`arch/um/drivers/cow_user.c`).
struct COWHeader {
    private static let magic = Array("OOOM".utf8)
    /// The magic with the versions that are read.
    private static let signatures = [magic + [0, 0, 0, 2], magic + [0, 0, 0, 3]]
    static let sectorSize: UInt64 = 512
    /// A page of any processor.
    private static let maximumAlignment: UInt32 = 1 << 20

    /// Where the fields lie; the size of the sectors follows that of the disk.
    struct Layout {
        let version: UInt32
        let nameOffset: Int
        let nameLength: Int
        let sizeOffset: Int
        let byteCount: Int

        /// What QEMU wrote for processors of 32 bits, and what libvirt reads.
        static let packed = Layout(version: 2, nameOffset: 8, nameLength: 1024, sizeOffset: 1036, byteCount: 1048)
        /// What QEMU wrote for processors of 64 bits, which align the size.
        static let aligned = Layout(version: 2, nameOffset: 8, nameLength: 1024, sizeOffset: 1040, byteCount: 1056)
        /// What User Mode Linux writes.
        static let version3 = Layout(version: 3, nameOffset: 32, nameLength: 4096, sizeOffset: 12, byteCount: 4128)
    }

    let layout: Layout
    let backingName: String?
    let virtualSize: UInt64
    let bitmapOffset: UInt64
    /// Where the first sector has its place.
    let dataOffset: UInt64

    static func recognizes(_ head: [UInt8]) -> Bool {
        signatures.contains { head.starts(with: $0) }
    }

    init(virtualSize: UInt64, backingName: String?) {
        layout = .packed
        self.virtualSize = virtualSize
        self.backingName = backingName
        bitmapOffset = UInt64(layout.byteCount)
        dataOffset = Self.rounded(bitmapOffset + Self.bitmapByteCount(virtualSize), to: Self.sectorSize)
    }

    init(_ file: ImageFile) throws(StorageError) {
        layout = try Self.layout(file)
        let fields = try file.bytes(at: UInt64(layout.sizeOffset), count: 12, "its header")
        virtualSize = try fields.bigEndian(UInt64.self, at: 0)
        let sectorSize = try UInt64(fields.bigEndian(UInt32.self, at: 8))
        guard sectorSize == Self.sectorSize else {
            throw file.unsupported("sectors of \(sectorSize) bytes are not 512", at: UInt64(layout.sizeOffset) + 8)
        }
        // With its bitmap it still is no larger than a file can be.
        guard virtualSize <= ByteCount.maximum.bytes / 2 else {
            throw file.damaged(
                "a disk of \(virtualSize) bytes is larger than any can be",
                at: UInt64(layout.sizeOffset)
            )
        }
        let alignment = layout.version == 2 ? Self.sectorSize : try Self.alignment(file)
        let end = UInt64(layout.byteCount)
        bitmapOffset = layout.version == 2 ? end : Self.rounded(end, to: alignment)
        dataOffset = Self.rounded(bitmapOffset + Self.bitmapByteCount(virtualSize), to: alignment)
        let name = try file.bytes(at: UInt64(layout.nameOffset), count: layout.nameLength, "the backing file's name")
        backingName = try Self.name(name, file, layout)
    }

    private static func layout(_ file: ImageFile) throws(StorageError) -> Layout {
        let version = try file.bytes(at: 4, count: 4, "its header").bigEndian(UInt32.self, at: 0)
        switch version {
        case 2:
            let fields = try file.bytes(at: UInt64(Layout.packed.sizeOffset), count: 12, "its header")
            let hasSectorSize = try fields.bigEndian(UInt32.self, at: 8) == 512
            // An aligned header of a disk whose size ends in the same number reads as a packed one of next to nothing.
            let hasSize = try fields.bigEndian(UInt64.self, at: 0) >= sectorSize
            if hasSectorSize && hasSize || file.size < UInt64(Layout.aligned.byteCount) { return .packed }
            let others = try file.bytes(at: UInt64(Layout.aligned.sizeOffset), count: 12, "its header")
            return try others.bigEndian(UInt32.self, at: 8) == 512 ? .aligned : .packed
        case 3: return .version3
        default: throw file.unsupported("version \(version) is not known", at: 4)
        }
    }

    private static func alignment(_ file: ImageFile) throws(StorageError) -> UInt64 {
        let fields = try file.bytes(at: 24, count: 8, "its header")
        let alignment = try fields.bigEndian(UInt32.self, at: 0)
        guard alignment > 0, alignment <= maximumAlignment else {
            throw file.damaged("an alignment of \(alignment) bytes is not between 1 and 1 MiB", at: 24)
        }
        let format = try fields.bigEndian(UInt32.self, at: 4)
        guard format == 0 else { throw file.unsupported("map format \(format) is not a bitmap", at: 28) }
        return UInt64(alignment)
    }

    private static func name(_ bytes: [UInt8], _ file: ImageFile, _ layout: Layout) throws(StorageError) -> String? {
        guard let end = bytes.firstIndex(of: 0) else {
            throw file.damaged("the backing file's name does not end", at: UInt64(layout.nameOffset))
        }
        guard end > 0 else { return nil }
        guard let name = String(validating: bytes[..<end], as: UTF8.self) else {
            throw file.damaged("the backing file's name is not text", at: UInt64(layout.nameOffset))
        }
        return name
    }

    private static func rounded(_ offset: UInt64, to alignment: UInt64) -> UInt64 {
        (offset + alignment - 1) / alignment * alignment
    }

    private static func sectorCount(_ size: UInt64) -> UInt64 { (size + sectorSize - 1) / sectorSize }
    private static func bitmapByteCount(_ size: UInt64) -> UInt64 { (sectorCount(size) + 7) / 8 }

    var sectorCount: UInt64 { Self.sectorCount(virtualSize) }
    var bitmapByteCount: UInt64 { Self.bitmapByteCount(virtualSize) }

    var imageDescription: ImageDescription {
        var description = ImageDescription(format: .cow, virtualSize: ByteCount(virtualSize))
        description.version = "\(layout.version)"
        description.clusterSize = ByteCount(Self.sectorSize)
        description.backing = backingName.map { ImageDescription.Backing(name: $0) }
        return description
    }

    /// The bytes of the header.
    func serialized() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: layout.byteCount)
        bytes.store(Self.magic, at: 0)
        bytes.store(bigEndian: layout.version, at: 4)
        if let backingName { bytes.store(Array(backingName.utf8), at: layout.nameOffset) }
        bytes.store(bigEndian: virtualSize, at: layout.sizeOffset)
        bytes.store(bigEndian: UInt32(Self.sectorSize), at: layout.sizeOffset + 8)
        return bytes
    }
}
