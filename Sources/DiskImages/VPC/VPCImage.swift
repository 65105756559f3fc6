package import StorageBase

/// A Virtual Hard Disk of Virtual PC and Hyper-V ("Virtual Hard Disk Image Format Specification", version 1.0).
package final class VPCImage: DiskImage {
    package static var format: ImageFormat { .vpc }

    package let file: ImageFile
    package let description: ImageDescription
    let footers: VHDFooters
    /// Nil for a fixed disk.
    let header: VHDDynamicHeader?
    /// A fixed disk is a plain file with a footer.
    private let plain: RawImage
    /// The part of the block allocation table that was read last.
    private var page: (index: UInt64, entries: [UInt32])?
    private var bitmap: (block: UInt64, bits: SectorBitmap)?

    /// How many entries of the table are read at once.
    static let pageLength: UInt64 = 4096

    package static func recognizes(head: [UInt8]) -> Bool { VHDFooter.begins(head) }

    package static func recognizes(tail: [UInt8]) -> Bool {
        // Version 1, whatever its minor number.
        VHDFooter.begins(tail) && tail.count >= 14 && tail[12] == 0 && tail[13] == 1
    }

    package static func describe(_ file: ImageFile) throws(StorageError) -> ImageDescription {
        let footers = try VHDFooters(file)
        return try description(footers, header(footers.footer, file), file)
    }

    package init(_ file: ImageFile, opener: ImageOpener) throws(StorageError) {
        self.file = file
        footers = try VHDFooters(file)
        header = try Self.header(footers.footer, file)
        description = try Self.description(footers, header, file)
        plain = try RawImage(file, opener: opener)
    }

    private static func header(_ footer: VHDFooter, _ file: ImageFile) throws(StorageError) -> VHDDynamicHeader? {
        guard footer.version >> 16 == 1 else {
            throw file.unsupported("VHD version \(footer.version >> 16) is not known", at: 12)
        }
        guard let type = footer.type else {
            throw file.unsupported("disk type \(footer.typeNumber) is not known", at: 60)
        }
        guard footer.virtualSize <= VHDFooter.maximumVirtualSize else {
            throw file.damaged("a disk of \(footer.virtualSize) bytes is larger than 2040 GiB", at: 48)
        }
        switch type {
        case .fixed:
            guard footer.virtualSize <= file.size - UInt64(VHDFooter.byteCount) else {
                throw file.damaged(
                    "a fixed disk of \(footer.virtualSize) bytes does not fit the file of \(file.size) bytes",
                    at: file.size - UInt64(VHDFooter.byteCount)
                )
            }
            return nil
        case .dynamic, .differencing:
            let header = try VHDDynamicHeader(file, at: footer.headerOffset, isDifferencing: type == .differencing)
            guard header.blockCount(for: footer.virtualSize) <= UInt64(header.entryCount) else {
                throw file.damaged(
                    "a table of \(header.entryCount) blocks is too small for a disk of \(footer.virtualSize) bytes",
                    at: header.offset + 28
                )
            }
            return header
        }
    }

    private static func description(
        _ footers: VHDFooters,
        _ header: VHDDynamicHeader?,
        _ file: ImageFile
    ) throws(StorageError) -> ImageDescription {
        let footer = footers.footer
        var description = ImageDescription(format: .vpc, virtualSize: ByteCount(footer.virtualSize))
        description.version = "\(footer.version >> 16).\(footer.version & 0xFFFF)"
        description.subformat =
            switch footer.type {
            case .differencing: "differencing"
            case .dynamic: "dynamic"
            case .fixed, nil: "fixed"
            }
        description.clusterSize = header.map { ByteCount(UInt64($0.blockSize)) }
        if footer.isTemporary { description.features.append("temporary") }
        if footer.isInSavedState { description.features.append("saved state") }
        description.backing = header?.parentName.map { ImageDescription.Backing(name: $0, format: .vpc) }
        description.isCorrupt = footers.damage != nil
        return description
    }

    package func extent(at offset: UInt64) throws(StorageError) -> ImageExtent {
        guard let header else {
            let extent = try plain.extent(at: offset)
            return ImageExtent(extent.range.clamped(to: 0..<virtualSize), extent.content)
        }
        let size = UInt64(header.blockSize)
        let block = offset / size
        let start = block * size
        let end = min(start + size, virtualSize)
        guard let place = try place(of: block, header) else {
            var next = block + 1
            // As far as the part of the table goes that is in memory.
            while next % Self.pageLength != 0, next * size < virtualSize, try entry(next, header) == nil { next += 1 }
            return ImageExtent(start..<min(next * size, virtualSize), .unallocated)
        }
        let data = place + header.bitmapSize
        guard end - start <= file.size, data <= file.size - (end - start) else {
            throw file.damaged("the block of guest offset \(start) lies at \(place), outside the file", at: place)
        }
        guard header.parentName != nil else { return ImageExtent(start..<end, .data(file, offset: data)) }
        let bits = try bits(of: block, at: place, header)
        let sector = (offset - start) / 512
        let next = bits.endOfRun(from: sector, limit: (end - start) / 512)
        let range = start + sector * 512..<start + next * 512
        return ImageExtent(range, bits[sector] ? .data(file, offset: data + sector * 512) : .unallocated)
    }

    /// Where a block begins, with its bitmap; nil where there is none.
    func place(of block: UInt64, _ header: VHDDynamicHeader) throws(StorageError) -> UInt64? {
        try entry(block, header).map { UInt64($0) * 512 }
    }

    private func entry(_ block: UInt64, _ header: VHDDynamicHeader) throws(StorageError) -> UInt32? {
        let (index, rest) = block.quotientAndRemainder(dividingBy: Self.pageLength)
        if page?.index != index { page = (index, try entries(page: index, header)) }
        guard let entries = page?.entries, rest < UInt64(entries.count) else { return nil }
        let entry = entries[Int(rest)]
        return entry == VHDDynamicHeader.unallocated ? nil : entry
    }

    /// A part of the block allocation table.
    func entries(page: UInt64, _ header: VHDDynamicHeader) throws(StorageError) -> [UInt32] {
        let first = page * Self.pageLength
        guard first < UInt64(header.entryCount) else { return [] }
        let count = Int(min(Self.pageLength, UInt64(header.entryCount) - first))
        let bytes = try file.bytes(
            at: header.tableOffset + first * 4,
            count: count * 4,
            "the block allocation table"
        )
        let span = bytes.span
        var entries: [UInt32] = []
        entries.reserveCapacity(count)
        for index in 0..<count { entries.append(try span.bigEndian(UInt32.self, at: index * 4)) }
        return entries
    }

    private func bits(of block: UInt64, at place: UInt64, _ header: VHDDynamicHeader) throws(StorageError)
        -> SectorBitmap
    {
        if let bitmap, bitmap.block == block { return bitmap.bits }
        let bytes = try file.bytes(at: place, count: Int(header.bitmapSize), "the bitmap of a block")
        let bits = SectorBitmap(bytes: bytes, isMostSignificantBitFirst: true)
        bitmap = (block, bits)
        return bits
    }
}
