package import StorageBase

/// A Virtual Hard Disk of Hyper-V, version 2 ([MS-VHDX]: Virtual Hard Disk v2 (VHDX) File Format).
package final class VHDXImage: DiskImage {
    package static var format: ImageFormat { .vhdx }
    static let signature = Array("vhdxfile".utf8)

    package let file: ImageFile
    package let description: ImageDescription
    let layout: VHDXLayout
    /// The part of the block allocation table that was read last.
    private var page: (index: UInt64, entries: [UInt64])?
    private var bitmap: (block: UInt64, bits: SectorBitmap)?

    /// How many entries of the table are read at once.
    static let pageLength: UInt64 = 4096

    package static func recognizes(head: [UInt8]) -> Bool { head.starts(with: signature) }

    package static func describe(_ file: ImageFile) throws(StorageError) -> ImageDescription {
        try VHDXLayout(file, replaysLog: false).imageDescription
    }

    package init(_ file: ImageFile, opener: ImageOpener) throws(StorageError) {
        self.file = file
        layout = try VHDXLayout(file, replaysLog: true)
        description = layout.imageDescription
    }

    private enum Content: Equatable {
        case unallocated
        case zero
        case data(UInt64)
    }

    package func extent(at offset: UInt64) throws(StorageError) -> ImageExtent {
        let size = layout.table.blockSize
        let block = offset / size
        let start = block * size
        let entry = try entry(layout.table.entry(of: block))
        if entry & VHDXTable.State.mask == VHDXTable.State.partiallyPresent {
            return try partialExtent(at: offset, of: block, entry)
        }
        let content = try content(entry, of: block)
        var end = min(start + size, virtualSize)
        var next = block + 1
        let page = layout.table.entry(of: block) / Self.pageLength
        while end < virtualSize, layout.table.entry(of: next) / Self.pageLength == page {
            let following = try self.entry(layout.table.entry(of: next))
            guard following & VHDXTable.State.mask != VHDXTable.State.partiallyPresent else { break }
            let expected: Content = if case .data(let place) = content { .data(place + (end - start)) } else { content }
            guard try self.content(following, of: next) == expected else { break }
            next += 1
            end = min(next * size, virtualSize)
        }
        switch content {
        case .unallocated: return ImageExtent(start..<end, .unallocated)
        case .zero: return ImageExtent(start..<end, .zero)
        case .data(let place): return ImageExtent(start..<end, .data(file, offset: place))
        }
    }

    private func content(_ entry: UInt64, of block: UInt64) throws(StorageError) -> Content {
        switch entry & VHDXTable.State.mask {
        case VHDXTable.State.fullyPresent: return .data(try place(entry, of: block))
        case VHDXTable.State.notPresent: return .unallocated
        case VHDXTable.State.zero: return .zero
        // What is in it is not defined: zeros tell nobody anything, and a parent's data would.
        case VHDXTable.State.undefined, VHDXTable.State.unmapped, VHDXTable.State.unmappedInDraft:
            return layout.table.isDifferencing ? .zero : .unallocated
        case let state:
            throw file.damaged("block \(block) has state \(state), which is none", at: offset(ofEntryFor: block))
        }
    }

    private func offset(ofEntryFor block: UInt64) -> UInt64 {
        layout.regions.table.lowerBound + layout.table.entry(of: block) * 8
    }

    /// Where the data of a block is.
    private func place(_ entry: UInt64, of block: UInt64) throws(StorageError) -> UInt64 {
        let place = entry & VHDXTable.offsetMask
        // The last block may end with the disk: QEMU has made such files.
        let length = min(layout.table.blockSize, virtualSize - block * layout.table.blockSize)
        guard place >= VHDXHeader.sectionLength, length <= file.size, place <= file.size - length else {
            throw file.damaged(
                "block \(block) lies at \(place), in the headers or outside the file",
                at: offset(ofEntryFor: block)
            )
        }
        if layout.source.log?.overlaps(place..<place + length) == true {
            throw file.unsupported("its log, which is not replayed, has data of block \(block)", at: place)
        }
        return place
    }

    /// A part of a block that is in this image, or in its parent.
    private func partialExtent(at offset: UInt64, of block: UInt64, _ entry: UInt64) throws(StorageError) -> ImageExtent
    {
        guard layout.table.isDifferencing else {
            throw file.damaged("block \(block) is partial, and there is no parent", at: self.offset(ofEntryFor: block))
        }
        let place = try place(entry, of: block)
        let start = block * layout.table.blockSize
        let sectorSize = layout.table.logicalSectorSize
        let length = min(layout.table.blockSize, virtualSize - start)
        let bits = try bits(of: block)
        let sector = (offset - start) / sectorSize
        let next = UInt64(bits.endOfRun(from: Int(sector), limit: Int(length / sectorSize)))
        let range = start + sector * sectorSize..<start + next * sectorSize
        return ImageExtent(
            range,
            bits.contains(Int(sector)) ? .data(file, offset: place + sector * sectorSize) : .unallocated
        )
    }

    private func bits(of block: UInt64) throws(StorageError) -> SectorBitmap {
        if let bitmap, bitmap.block == block { return bitmap.bits }
        let entry = try entry(layout.table.bitmapEntry(for: block))
        guard entry & VHDXTable.State.mask == VHDXTable.State.fullyPresent else {
            throw file.damaged("block \(block) is partial, and has no sector bitmap", at: offset(ofEntryFor: block))
        }
        let length = layout.table.blockSize / layout.table.logicalSectorSize / 8
        let place = entry & VHDXTable.offsetMask
        let (offset, overflow) = place.addingReportingOverflow(block % layout.table.chunkRatio * length)
        guard !overflow else { throw file.damaged("a sector bitmap is outside the file", at: place) }
        let bytes = try layout.source.bytes(at: offset, count: Int(length), "a sector bitmap")
        let bits = SectorBitmap(bytes)
        bitmap = (block, bits)
        return bits
    }

    func entry(_ number: UInt64) throws(StorageError) -> UInt64 {
        let (index, rest) = number.quotientAndRemainder(dividingBy: Self.pageLength)
        if page?.index != index { page = (index, try entries(page: index)) }
        guard let entries = page?.entries, rest < UInt64(entries.count) else { return VHDXTable.State.notPresent }
        return entries[Int(rest)]
    }

    /// A part of the block allocation table.
    func entries(page: UInt64) throws(StorageError) -> [UInt64] {
        let first = page * Self.pageLength
        let total = layout.table.entryCount(for: virtualSize)
        guard first < total else { return [] }
        let count = Int(min(Self.pageLength, total - first))
        let bytes = try layout.source.bytes(
            at: layout.regions.table.lowerBound + first * 8,
            count: count * 8,
            "the block allocation table"
        )
        let span = bytes.span
        var entries: [UInt64] = []
        entries.reserveCapacity(count)
        for index in 0..<count { entries.append(try span.littleEndian(UInt64.self, at: index * 8)) }
        return entries
    }
}
