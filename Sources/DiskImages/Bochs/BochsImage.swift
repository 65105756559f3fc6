package import StorageBase

/// A growing Bochs disk: a catalog of extents, and before each extent a bitmap of its sectors.
package final class BochsImage: DiskImage {
    package static var format: ImageFormat { .bochs }

    package let file: ImageFile
    package let description: ImageDescription
    private let header: BochsHeader
    /// The entries, at most 4 MiB of them, as they lie in the file.
    private let catalog: [UInt8]
    /// The bitmap that was read last, by its number in the catalog.
    private var bitmap: (number: UInt32, bitmap: SectorBitmap)?

    package static func recognizes(head: [UInt8]) -> Bool { head.starts(with: BochsHeader.magic) }

    package static func describe(_ file: ImageFile) throws(StorageError) -> ImageDescription {
        try BochsHeader(file).imageDescription
    }

    package init(_ file: ImageFile, opener: ImageOpener) throws(StorageError) {
        self.file = file
        header = try BochsHeader(file)
        description = header.imageDescription
        catalog = try file.bytes(at: header.catalogOffset, count: Int(header.catalogCount) * 4, "its catalog")
    }

    /// The number of an extent's place; nil where it has none.
    private func number(_ index: UInt64) throws(StorageError) -> UInt32? {
        let number = try catalog.littleEndian(UInt32.self, at: Int(index) * 4)
        return number == BochsHeader.unallocated ? nil : number
    }

    package func extent(at offset: UInt64) throws(StorageError) -> ImageExtent {
        let index = offset / header.extentSize
        let start = index * header.extentSize
        guard let number = try number(index) else {
            var next = index + 1
            while next < header.extentCount, try self.number(next) == nil { next += 1 }
            return ImageExtent(start..<min(next * header.extentSize, header.virtualSize), .unallocated)
        }
        let bitmap = try bitmap(number, of: index)
        let first = Int((offset - start) / BochsHeader.sectorSize)
        let sectors = Int(min(header.extentSize, header.virtualSize - start) / BochsHeader.sectorSize)
        let end = bitmap.endOfRun(from: first, limit: sectors)
        let within = UInt64(first) * BochsHeader.sectorSize
        let range = start + within..<start + UInt64(end) * BochsHeader.sectorSize
        guard bitmap.contains(first) else { return ImageExtent(range, .unallocated) }
        let place = header.slotOffset(number) + header.bitmapSize + within
        guard place < file.size else {
            throw file.damaged("the sectors of guest offset \(offset) lie outside the file", at: place)
        }
        return ImageExtent(range, .data(file, offset: place))
    }

    private func bitmap(_ number: UInt32, of index: UInt64) throws(StorageError) -> SectorBitmap {
        if let bitmap, bitmap.number == number { return bitmap.bitmap }
        let read = try SectorBitmap(
            file.bytes(
                at: header.slotOffset(number),
                count: (header.sectorsPerExtent + 7) / 8,
                "the bitmap of extent \(index)"
            )
        )
        bitmap = (number, read)
        return read
    }

    package func check(_ check: inout ImageCheck, cancellation: Cancellation) throws(StorageError) {
        check.totalUnits = header.extentCount
        var numbers: [UInt32] = []
        for index in 0..<header.extentCount {
            try cancellation.check()
            guard let number = try number(index) else { continue }
            check.allocatedUnits += 1
            if header.slotOffset(number) + header.slotSize > file.size {
                check.add(
                    .corruption,
                    "extent \(index) lies outside the file",
                    at: header.catalogOffset + index * 4
                )
            } else {
                numbers.append(number)
            }
        }
        numbers.sort()
        var next: UInt64 = 0
        for number in numbers {
            try cancellation.check()
            let offset = header.slotOffset(number)
            if UInt64(number) < next {
                check.add(.corruption, "more than one catalog entry refers to extent \(number) of the file", at: offset)
            }
            addLeak(from: next, to: UInt64(number), &check)
            next = UInt64(number) + 1
        }
        check.endOffset = ByteCount(header.firstSlotOffset + next * header.slotSize)
        let end = file.size > header.firstSlotOffset ? (file.size - header.firstSlotOffset) / header.slotSize : 0
        addLeak(from: next, to: end, &check)
    }

    /// One finding for all that lie side by side: a file with a hole may have room for any number.
    private func addLeak(from start: UInt64, to end: UInt64, _ check: inout ImageCheck) {
        guard start < end else { return }
        check.add(
            .leak,
            "no catalog entry refers to \(end - start) extents of the file",
            at: header.firstSlotOffset + start * header.slotSize
        )
    }
}
