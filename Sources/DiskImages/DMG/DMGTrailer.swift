internal import StorageBase

/// The trailer of a Mac disk image (UDIF, Universal Disk Image Format): the file's last sector.
struct DMGTrailer {
    static let byteCount = 512
    /// `koly`, version 4, and the trailer's own size.
    static let magic: [UInt8] = Array("koly".utf8) + [0, 0, 0, 4, 0, 0, 2, 0]
    /// QEMU's limit, the tables of images of some 75 GB: they are held in memory.
    static let maximumTableByteCount: UInt64 = 16 << 20

    /// Where the trailer begins.
    let offset: UInt64
    /// Where the chunks' offsets count from.
    let dataForkOffset: UInt64
    let resourceFork: Range<UInt64>
    let propertyList: Range<UInt64>
    let virtualSize: UInt64

    init(_ file: ImageFile) throws(StorageError) {
        guard file.size >= UInt64(Self.byteCount) else { throw file.damaged("it is too short for a trailer", at: 0) }
        let offset = file.size - UInt64(Self.byteCount)
        let trailer = try file.bytes(at: offset, count: Self.byteCount, "its trailer")
        guard trailer.starts(with: Self.magic) else { throw file.damaged("it has no trailer of version 4", at: offset) }
        let segmentCount = try trailer.bigEndian(UInt32.self, at: 60)
        guard segmentCount <= 1 else {
            throw file.unsupported("it is one of \(segmentCount) files of an image", at: offset + 60)
        }
        self.offset = offset
        dataForkOffset = try trailer.bigEndian(UInt64.self, at: 24)
        guard dataForkOffset <= offset else {
            throw file.damaged("its data begins at \(dataForkOffset), outside the file", at: offset + 24)
        }
        resourceFork = try Self.range(trailer, 40, "resource fork", file, offset)
        propertyList = try Self.range(trailer, 216, "property list", file, offset)
        let sectorCount = try trailer.bigEndian(UInt64.self, at: 492)
        guard sectorCount <= ByteCount.maximum.bytes / 512 else {
            throw file.damaged("a disk of \(sectorCount) sectors is larger than any can be", at: offset + 492)
        }
        virtualSize = sectorCount * 512
    }

    private static func range(
        _ trailer: [UInt8],
        _ place: Int,
        _ what: String,
        _ file: ImageFile,
        _ trailerOffset: UInt64
    )
        throws(StorageError) -> Range<UInt64>
    {
        let offset = try trailer.bigEndian(UInt64.self, at: place)
        let length = try trailer.bigEndian(UInt64.self, at: place + 8)
        guard length > 0 else { return 0..<0 }
        guard offset <= trailerOffset, length <= trailerOffset - offset else {
            throw file.damaged(
                "the \(what) of \(length) bytes at \(offset) lies outside the file",
                at: trailerOffset + UInt64(place)
            )
        }
        guard length <= maximumTableByteCount else {
            throw file.unsupported(
                "the \(what) of \(length) bytes is larger than 16 MiB",
                at: trailerOffset + UInt64(place)
            )
        }
        return offset..<offset + length
    }

    var imageDescription: ImageDescription {
        var description = ImageDescription(format: .dmg, virtualSize: ByteCount(virtualSize))
        description.version = "4"
        return description
    }
}
