internal import StorageBase

/// A sparse VMware image that is being made: all tables twice before the grains, as QEMU lays them out.
///
/// One grain table at a time is in memory. Tables without grains are holes.
final class VMDKSparseWriter: ImageWriter {
    private let file: ImageFile
    private var header: VMDKHeader
    private let name: String
    private let parent: (name: String, identifier: UInt32)?
    /// The grain table that is being filled.
    private var table: (index: UInt64, entries: [UInt32])?
    /// The end of the last grain.
    private var end: UInt64

    init(sectors: UInt64, name: String, parent: (name: String, identifier: UInt32)?, to file: ImageFile) {
        self.file = file
        self.name = name
        self.parent = parent
        header = VMDKHeader(capacity: sectors)
        header.flags |= VMDKHeader.Flags.redundantTables
        let copy = header.directorySectors + header.tableCount * header.tableSectors
        header.redundantDirectoryOffset = header.descriptorOffset + header.descriptorSectors
        header.directoryOffset = header.redundantDirectoryOffset + copy
        header.overhead =
            VMDKHeader.quotient(header.directoryOffset + copy, header.grainSectors) * header.grainSectors
        end = header.overhead * VMDKHeader.sectorSize
    }

    var unit: UInt64 { header.grainSize }

    func place(_ range: Range<UInt64>) throws(StorageError) -> [ImagePlace] {
        var places: [ImagePlace] = []
        var position = range.lowerBound
        while position < range.upperBound {
            try openTable(for: position)
            let limit = min(range.upperBound, (position / header.tableCoverage + 1) * header.tableCoverage)
            places.append(ImagePlace(position..<limit, in: file, at: end))
            for guest in stride(from: position, to: limit, by: Int(unit)) {
                set(guest, try file.grainSector(at: end))
                end += unit
            }
            position = limit
        }
        return places
    }

    func zero(_ range: Range<UInt64>) throws(StorageError) {
        guard parent != nil else { return }
        // Only images that have such grains are of the newer version.
        header.version = 2
        header.flags |= VMDKHeader.Flags.zeroedGrains
        for guest in stride(from: range.lowerBound, to: range.upperBound, by: Int(unit)) {
            try openTable(for: guest)
            set(guest, 1)
        }
    }

    private func set(_ guest: UInt64, _ entry: UInt32) {
        table?.entries[Int(guest % header.tableCoverage / unit)] = entry
    }

    private func openTable(for guest: UInt64) throws(StorageError) {
        let index = guest / header.tableCoverage
        guard table?.index != index else { return }
        try closeTable()
        table = (index, [UInt32](repeating: 0, count: Int(header.entriesPerTable)))
    }

    private func closeTable() throws(StorageError) {
        guard let table else { return }
        let bytes = [UInt8](littleEndian: table.entries)
        for directory in directories {
            let sector = tableSector(table.index, of: directory)
            try file.file.write(bytes, 0..<bytes.count, at: sector * VMDKHeader.sectorSize)
        }
        self.table = nil
    }

    private var directories: [UInt64] { [header.redundantDirectoryOffset, header.directoryOffset] }

    private func tableSector(_ index: UInt64, of directory: UInt64) -> UInt64 {
        directory + header.directorySectors + index * header.tableSectors
    }

    func finish() throws(StorageError) {
        try closeTable()
        for directory in directories {
            // The tables lie within the first 2^32 sectors, as the size is limited.
            let bytes = [UInt8](littleEndian: (0..<header.tableCount).map { UInt32(tableSector($0, of: directory)) })
            try file.file.write(bytes, 0..<bytes.count, at: directory * VMDKHeader.sectorSize)
        }
        let text = VMDKDescriptor.text(
            createType: "monolithicSparse",
            sectors: header.capacity,
            extent: "SPARSE \"\(name)\"",
            parent: parent
        )
        try file.file.write(text, 0..<text.count, at: header.descriptorOffset * VMDKHeader.sectorSize)
        try file.file.setSize(ByteCount(end))
        let sector = header.sector()
        try file.file.write(sector, 0..<sector.count, at: 0)
    }
}

extension [UInt8] {
    /// The bytes of a table of 32-bit numbers.
    init(littleEndian numbers: [UInt32]) {
        self.init(repeating: 0, count: numbers.count * 4)
        for (index, number) in numbers.enumerated() where number != 0 { store(littleEndian: number, at: index * 4) }
    }
}

extension ImageFile {
    /// The sector of a grain's place, which a table can hold.
    func grainSector(at offset: UInt64) throws(StorageError) -> UInt32 {
        guard let sector = UInt32(exactly: offset / VMDKHeader.sectorSize) else {
            throw StorageError(
                .notSupported,
                "'\(path)' can hold no more: the grains of a vmdk image begin within the first 2 TiB of its file",
                hint: "a flat image has no such limit",
                context: StorageError.Context(path: path, byteOffset: ByteCount(offset))
            )
        }
        return sector
    }
}
