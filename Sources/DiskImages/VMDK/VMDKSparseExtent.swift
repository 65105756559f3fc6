internal import StorageBase

/// A sparse extent that is open for reading: a grain directory, whose grain tables say where each grain is.
final class VMDKSparseExtent {
    let file: ImageFile
    let header: VMDKHeader
    let directory: [UInt32]
    /// The grain table that was read last, by its number.
    private var table: (index: Int, entries: [UInt32])?

    convenience init(_ file: ImageFile) throws(StorageError) {
        try self.init(file, VMDKHeader(file))
    }

    init(_ file: ImageFile, _ header: VMDKHeader) throws(StorageError) {
        self.file = file
        self.header = header
        directory = try Self.directory(at: header.directoryOffset, file, header)
    }

    static func directory(at sector: UInt64, _ file: ImageFile, _ header: VMDKHeader) throws(StorageError) -> [UInt32] {
        guard sector <= file.size / VMDKHeader.sectorSize else {
            throw file.damaged("the grain directory at sector \(sector) lies outside the file", at: 56)
        }
        return try file.sectorNumbers(
            at: sector * VMDKHeader.sectorSize,
            count: Int(header.tableCount),
            "its grain directory"
        )
    }

    /// The entries of a grain table that a directory's entry points to.
    func entries(at sector: UInt32, of index: Int) throws(StorageError) -> [UInt32] {
        try file.sectorNumbers(
            at: UInt64(sector) * VMDKHeader.sectorSize,
            count: Int(header.entriesPerTable),
            "grain table \(index)"
        )
    }

    /// The number of a table's entries that lie before the disk's end.
    func entryCount(of index: Int) -> Int {
        Int(min(header.grainCount - UInt64(index) * UInt64(header.entriesPerTable), UInt64(header.entriesPerTable)))
    }

    enum Grain {
        case unallocated
        case zero
        case data
    }

    func grain(_ entry: UInt32) -> Grain {
        switch entry {
        case 0: .unallocated
        case 1 where header.hasZeroedGrains: .zero
        default: .data
        }
    }

    /// The extent in which an offset lies, both counted from this extent's beginning.
    func extent(at offset: UInt64) throws(StorageError) -> ImageExtent {
        let index = Int(offset / header.tableCoverage)
        let start = UInt64(index) * header.tableCoverage
        guard directory[index] != 0 else {
            let next = directory[index...].firstIndex { $0 != 0 } ?? directory.count
            return ImageExtent(start..<min(UInt64(next) * header.tableCoverage, header.virtualSize), .unallocated)
        }
        let entries = try entries(index)
        let first = Int((offset - start) / header.grainSize)
        let kind = grain(entries[first])
        let begin = start + UInt64(first) * header.grainSize
        if kind == .data, header.isCompressed {
            let range = begin..<min(begin + header.grainSize, header.virtualSize)
            return try ImageExtent(range, .compressed(compressed(entries[first], range)))
        }
        let place = UInt64(entries[first])
        if kind == .data, place >= VMDKHeader.sectors(of: file.size) {
            throw file.damaged(
                "the grain of guest offset \(begin) lies at sector \(place), outside the file",
                at: UInt64(directory[index]) * VMDKHeader.sectorSize + UInt64(first) * 4
            )
        }
        var next = first + 1
        let limit = entryCount(of: index)
        while next < limit, grain(entries[next]) == kind {
            let expected = place + UInt64(next - first) * header.grainSectors
            if kind == .data, entries[next] != expected || expected >= file.size / VMDKHeader.sectorSize { break }
            next += 1
        }
        let content: ImageExtent.Content =
            switch kind {
            case .unallocated: .unallocated
            case .zero: .zero
            case .data: .data(file, offset: place * VMDKHeader.sectorSize)
            }
        return ImageExtent(begin..<min(start + UInt64(next) * header.grainSize, header.virtualSize), content)
    }

    private func entries(_ index: Int) throws(StorageError) -> [UInt32] {
        if let table, table.index == index { return table.entries }
        let entries = try entries(at: directory[index], of: index)
        table = (index, entries)
        return entries
    }

    private func compressed(_ entry: UInt32, _ range: Range<UInt64>) throws(StorageError) -> CompressedData {
        let offset = UInt64(entry) * VMDKHeader.sectorSize
        guard header.hasMarkers else {
            return CompressedData(file: file, offset: offset, length: Int(header.grainSize), codec: .zlib)
        }
        let marker = try marker(at: offset)
        guard marker.size > 0, UInt64(marker.size) <= 2 * header.grainSize else {
            throw file.damaged(
                "the compressed grain of guest offset \(range.lowerBound) has \(marker.size) bytes",
                at: offset + 8
            )
        }
        return CompressedData(
            file: file,
            offset: offset + UInt64(VMDKMarker.grainByteCount),
            length: Int(marker.size),
            codec: .zlib
        )
    }

    /// The marker before a compressed grain.
    func marker(at offset: UInt64) throws(StorageError) -> VMDKMarker {
        try VMDKMarker(file.bytes(at: offset, count: VMDKMarker.grainByteCount, "the marker of a grain"), at: 0)
    }
}

extension ImageFile {
    /// Reads a table of 32-bit sector numbers.
    fileprivate func sectorNumbers(
        at offset: UInt64,
        count: Int,
        _ what: @autoclosure () -> String
    ) throws(StorageError) -> [UInt32] {
        let bytes = try bytes(at: offset, count: count * 4, what())
        let span = bytes.span
        var numbers: [UInt32] = []
        numbers.reserveCapacity(count)
        for index in 0..<count { try numbers.append(span.littleEndian(UInt32.self, at: index * 4)) }
        return numbers
    }
}
