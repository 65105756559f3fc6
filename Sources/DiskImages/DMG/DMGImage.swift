package import StorageBase

/// A Mac disk image (UDIF): chunks of varying size, plain, compressed or zero.
package final class DMGImage: DiskImage {
    package static var format: ImageFormat { .dmg }

    package let file: ImageFile
    package let description: ImageDescription
    private let trailer: DMGTrailer
    /// In the order of the disk.
    private let chunks: [DMGChunk]

    package static func recognizes(tail: [UInt8]) -> Bool { tail.starts(with: DMGTrailer.magic) }

    package static func describe(_ file: ImageFile) throws(StorageError) -> ImageDescription {
        try DMGTrailer(file).imageDescription
    }

    package init(_ file: ImageFile, opener: ImageOpener) throws(StorageError) {
        self.file = file
        trailer = try DMGTrailer(file)
        description = trailer.imageDescription
        chunks = try DMGTables(trailer, file).chunks
    }

    package func extent(at offset: UInt64) throws(StorageError) -> ImageExtent {
        guard let index = index(of: offset) else {
            throw file.damaged("no chunk has guest offset \(offset)", at: trailer.offset)
        }
        let chunk = chunks[index]
        if let reason = fault(chunk) {
            throw file.damaged("the chunk of guest offset \(offset) \(reason)", at: chunk.offset)
        }
        if let reason = chunk.unsupported {
            throw file.unsupported(
                "the chunk of guest offset \(offset) cannot be read, since \(reason)",
                at: chunk.offset
            )
        }
        switch chunk.kind {
        case .zero, .other: return ImageExtent(chunk.range.lowerBound..<end(ofRunAt: index), .zero)
        case .raw:
            return ImageExtent(chunk.range.lowerBound..<end(ofRunAt: index), .data(file, offset: chunk.offset))
        case .zlib:
            let data = CompressedData(file: file, offset: chunk.offset, length: Int(chunk.length), codec: .zlib)
            return ImageExtent(chunk.range, .compressed(data))
        }
    }

    /// The last chunk that begins at an offset or before, where it has the offset.
    private func index(of offset: UInt64) -> Int? {
        var low = 0
        var high = chunks.count
        while low < high {
            let middle = (low + high) / 2
            if chunks[middle].range.lowerBound <= offset { low = middle + 1 } else { high = middle }
        }
        guard low > 0, chunks[low - 1].range.contains(offset) else { return nil }
        return low - 1
    }

    private func fault(_ chunk: DMGChunk) -> String? {
        chunk.fault(fileSize: trailer.offset, virtualSize: trailer.virtualSize)
    }

    /// Where the plain chunks end that go on where the one before them ends.
    private func end(ofRunAt index: Int) -> UInt64 {
        let first = chunks[index]
        var end = first.range.upperBound
        for chunk in chunks[(index + 1)...] {
            guard chunk.kind == first.kind, chunk.range.lowerBound == end, fault(chunk) == nil else { break }
            if chunk.kind == .raw, chunk.offset &- first.offset != end - first.range.lowerBound { break }
            end = chunk.range.upperBound
        }
        return end
    }

    package func check(_ check: inout ImageCheck, cancellation: Cancellation) throws(StorageError) {
        check.totalUnits = trailer.virtualSize / 512
        check.endOffset = ByteCount(file.size)
        var end: UInt64 = 0
        for (number, chunk) in chunks.enumerated() {
            try cancellation.check()
            if chunk.range.lowerBound > end {
                check.add(.corruption, "no chunk has guest offset \(end)", at: trailer.offset)
            } else if chunk.range.lowerBound < end {
                check.add(.corruption, "chunk \(number) overlaps the one before", at: chunk.offset)
            }
            if let reason = fault(chunk) { check.add(.corruption, "chunk \(number) \(reason)", at: chunk.offset) }
            if chunk.kind != .zero {
                check.allocatedUnits &+= (chunk.range.upperBound - chunk.range.lowerBound) / 512
            }
            end = max(end, chunk.range.upperBound)
        }
        if end < trailer.virtualSize {
            check.add(.corruption, "no chunk has guest offset \(end)", at: trailer.offset)
        }
    }
}
