package import StorageBase

extension COWImage: CreatableImage {
    /// QEMU counted the bytes of header and bitmap in 31 bits.
    private static let maximumDataOffset: UInt64 = (1 << 31) - 512
    /// The name ends with a zero.
    private static let maximumNameLength = COWHeader.Layout.packed.nameLength - 1

    package static func validate(_ creation: ImageCreation) throws(StorageError) {
        _ = try header(creation)
    }

    package static func writer(
        _ creation: ImageCreation,
        to file: ImageFile,
        makeFile: (String) throws(StorageError) -> ImageFile
    ) throws(StorageError) -> any ImageWriter {
        try COWWriter(header(creation), to: file)
    }

    private static func header(_ creation: ImageCreation) throws(StorageError) -> COWHeader {
        try creation.refuseOptions(preallocations: Set(ImageCreation.Preallocation.allCases), backing: true)
        let limit = (maximumDataOffset - UInt64(COWHeader.Layout.packed.byteCount)) * 8 * COWHeader.sectorSize
        guard creation.virtualSize <= limit else {
            throw creation.tooLarge(limit: limit, "since its bitmap has at most 2 GiB")
        }
        if let backing = creation.backing {
            guard creation.preallocation == .off else {
                throw creation.unsupported("preallocation beside a backing file")
            }
            guard backing.name.utf8.count <= maximumNameLength, !backing.name.utf8.contains(0) else {
                throw StorageError(
                    .invalidArgument,
                    "the name of backing file '\(backing.name.printable)' is too long for a cow image",
                    hint: "it has at most \(maximumNameLength) bytes"
                )
            }
        }
        let sectors = (creation.virtualSize + COWHeader.sectorSize - 1) / COWHeader.sectorSize
        return COWHeader(virtualSize: sectors * COWHeader.sectorSize, backingName: creation.backing?.name)
    }
}

/// A User Mode Linux image that is being made: each sector has its place, and the bitmap is written in pieces.
private final class COWWriter: ImageWriter {
    private let header: COWHeader
    private let file: ImageFile
    /// The part of the bitmap that is being filled.
    private var piece: (index: UInt64, bitmap: SectorBitmap)?
    private var end: UInt64

    init(_ header: COWHeader, to file: ImageFile) {
        self.header = header
        self.file = file
        end = header.bitmapOffset + header.bitmapByteCount
    }

    /// The block of most file systems: smaller holes are none.
    var unit: UInt64 { 4096 }

    func place(_ range: Range<UInt64>) throws(StorageError) -> [ImagePlace] {
        guard !range.isEmpty else { return [] }
        var sector = range.lowerBound / COWHeader.sectorSize
        let last = (range.upperBound - 1) / COWHeader.sectorSize
        end = header.dataOffset + (last + 1) * COWHeader.sectorSize
        while sector <= last {
            let index = sector / COWImage.sectorsPerPiece
            try open(index)
            let start = index * COWImage.sectorsPerPiece
            let next = min(last + 1, start + COWImage.sectorsPerPiece)
            piece?.bitmap.insert(Int(sector - start)..<Int(next - start))
            sector = next
        }
        return [ImagePlace(range, in: file, at: header.dataOffset + range.lowerBound)]
    }

    /// A sector is data or the backing file's: zeros are allocated, and nothing is written there.
    func zero(_ range: Range<UInt64>) throws(StorageError) {
        guard header.backingName != nil else { return }
        _ = try place(range)
    }

    private func open(_ index: UInt64) throws(StorageError) {
        if let piece, piece.index == index { return }
        try close()
        let length = min(COWImage.pieceByteCount, header.bitmapByteCount - index * COWImage.pieceByteCount)
        piece = (index, SectorBitmap(byteCount: Int(length)))
    }

    private func close() throws(StorageError) {
        guard let piece else { return }
        let bytes = piece.bitmap.bytes
        let offset = header.bitmapOffset + piece.index * COWImage.pieceByteCount
        try file.file.write(bytes, 0..<bytes.count, at: offset)
        self.piece = nil
    }

    func finish() throws(StorageError) {
        try close()
        try file.file.setSize(ByteCount(end))
        let bytes = header.serialized()
        try file.file.write(bytes, 0..<bytes.count, at: 0)
    }
}
