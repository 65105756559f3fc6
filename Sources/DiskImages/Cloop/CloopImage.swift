package import StorageBase

/// A compressed loopback image: blocks of one size, each in a zlib stream, and a table of where they begin.
package final class CloopImage: DiskImage {
    package static var format: ImageFormat { .cloop }

    package let file: ImageFile
    package let description: ImageDescription
    private let header: CloopHeader
    /// The part of the table that was read last, by its first block; it has one entry more, for the last block's end.
    private var piece: (first: UInt64, offsets: [UInt64])?

    private static let blocksPerPiece: UInt64 = 4096

    package static func recognizes(head: [UInt8]) -> Bool { head.starts(with: CloopHeader.magic) }

    package static func describe(_ file: ImageFile) throws(StorageError) -> ImageDescription {
        try CloopHeader(file).imageDescription
    }

    package init(_ file: ImageFile, opener: ImageOpener) throws(StorageError) {
        self.file = file
        header = try CloopHeader(file)
        description = header.imageDescription
    }

    package func extent(at offset: UInt64) throws(StorageError) -> ImageExtent {
        let block = offset / header.blockSize
        let place = try place(of: block)
        if let reason = fault(place) {
            throw file.damaged("block \(block) \(reason)", at: CloopHeader.tableOffset + block * 8)
        }
        let data = CompressedData(
            file: file,
            offset: place.start,
            length: Int(place.end - place.start),
            codec: .zlib
        )
        return ImageExtent(block * header.blockSize..<(block + 1) * header.blockSize, .compressed(data))
    }

    private func place(of block: UInt64) throws(StorageError) -> (start: UInt64, end: UInt64) {
        let (number, index) = block.quotientAndRemainder(dividingBy: Self.blocksPerPiece)
        let first = number * Self.blocksPerPiece
        let offsets = try offsets(first)
        return (offsets[Int(index)], offsets[Int(index) + 1])
    }

    private func offsets(_ first: UInt64) throws(StorageError) -> [UInt64] {
        if let piece, piece.first == first { return piece.offsets }
        let offsets = try file.table(
            at: CloopHeader.tableOffset + first * 8,
            count: Int(min(Self.blocksPerPiece, header.blockCount - first)) + 1,
            isBigEndian: true,
            "its table of blocks"
        )
        piece = (first, offsets)
        return offsets
    }

    /// What is wrong with the place of a block; nil where nothing is.
    private func fault(_ place: (start: UInt64, end: UInt64)) -> String? {
        if place.start > place.end { return "ends at \(place.end), before it begins at \(place.start)" }
        if place.start < CloopHeader.tableOffset + (header.blockCount + 1) * 8 {
            return "begins at \(place.start), inside the table"
        }
        if place.end > file.size { return "ends at \(place.end), outside the file" }
        let length = place.end - place.start
        if length == 0 { return "has no data" }
        if length > header.maximumCompressedLength { return "has \(length) bytes, more than twice what it expands to" }
        return nil
    }

    package func check(_ check: inout ImageCheck, cancellation: Cancellation) throws(StorageError) {
        check.totalUnits = header.blockCount
        check.endOffset = ByteCount(CloopHeader.tableOffset + (header.blockCount + 1) * 8)
        for block in 0..<header.blockCount {
            try cancellation.check()
            let place = try place(of: block)
            check.allocatedUnits += 1
            if let reason = fault(place) {
                check.add(.corruption, "block \(block) \(reason)", at: CloopHeader.tableOffset + block * 8)
            } else {
                check.endOffset = ByteCount(place.end)
            }
        }
    }
}
