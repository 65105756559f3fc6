package import StorageBase

/// A User Mode Linux image: a bitmap of the sectors that differ from the backing file, and a place for each sector.
package final class COWImage: DiskImage {
    package static var format: ImageFormat { .cow }

    package let file: ImageFile
    package let description: ImageDescription
    private let header: COWHeader
    /// The part of the bitmap that was read last.
    private var piece: (index: UInt64, bitmap: SectorBitmap)?

    /// A part of the bitmap, for 256 MiB of the disk.
    static let pieceByteCount: UInt64 = 64 << 10
    static let sectorsPerPiece = pieceByteCount * 8

    package static func recognizes(head: [UInt8]) -> Bool { COWHeader.recognizes(head) }

    package static func describe(_ file: ImageFile) throws(StorageError) -> ImageDescription {
        try COWHeader(file).imageDescription
    }

    package init(_ file: ImageFile, opener: ImageOpener) throws(StorageError) {
        self.file = file
        header = try COWHeader(file)
        description = header.imageDescription
    }

    package func extent(at offset: UInt64) throws(StorageError) -> ImageExtent {
        let sector = offset / COWHeader.sectorSize
        let (index, first) = sector.quotientAndRemainder(dividingBy: Self.sectorsPerPiece)
        let bitmap = try bitmap(index)
        let limit = Int(min(Self.sectorsPerPiece, header.sectorCount - index * Self.sectorsPerPiece))
        let end = bitmap.endOfRun(from: Int(first), limit: limit)
        let range = sector * COWHeader.sectorSize..<self.end(ofSectors: sector + UInt64(end) - first)
        guard bitmap.contains(Int(first)) else { return ImageExtent(range, .unallocated) }
        let place = header.dataOffset + range.lowerBound
        guard place < file.size else {
            throw file.damaged("the sectors of guest offset \(offset) lie outside the file", at: place)
        }
        return ImageExtent(range, .data(file, offset: place))
    }

    /// Where so many sectors end; the last one may be cut off.
    private func end(ofSectors count: UInt64) -> UInt64 {
        min(count * COWHeader.sectorSize, header.virtualSize)
    }

    private func bitmap(_ index: UInt64) throws(StorageError) -> SectorBitmap {
        if let piece, piece.index == index { return piece.bitmap }
        let start = index * Self.pieceByteCount
        let bitmap = try SectorBitmap(
            file.bytes(
                at: header.bitmapOffset + start,
                count: Int(min(Self.pieceByteCount, header.bitmapByteCount - start)),
                "its bitmap"
            )
        )
        piece = (index, bitmap)
        return bitmap
    }

    package func check(_ check: inout ImageCheck, cancellation: Cancellation) throws(StorageError) {
        check.totalUnits = header.sectorCount
        check.endOffset = ByteCount(header.bitmapOffset + header.bitmapByteCount)
        guard check.endOffset.bytes <= file.size else {
            check.add(.corruption, "the bitmap ends outside the file", at: header.bitmapOffset)
            return
        }
        var sector: UInt64 = 0
        while sector < header.sectorCount {
            try cancellation.check()
            let (index, first) = sector.quotientAndRemainder(dividingBy: Self.sectorsPerPiece)
            let bitmap = try bitmap(index)
            let limit = Int(min(Self.sectorsPerPiece, header.sectorCount - index * Self.sectorsPerPiece))
            let end = sector + UInt64(bitmap.endOfRun(from: Int(first), limit: limit)) - first
            if bitmap.contains(Int(first)) {
                check.allocatedUnits += end - sector
                let place = header.dataOffset + self.end(ofSectors: end)
                check.endOffset = ByteCount(place)
                if place > file.size {
                    check.add(
                        .corruption,
                        "sectors \(sector) to \(end - 1) lie outside the file",
                        at: header.dataOffset + sector * COWHeader.sectorSize
                    )
                }
            }
            sector = end
        }
    }
}
