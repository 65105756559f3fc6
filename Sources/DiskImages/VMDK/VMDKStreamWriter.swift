internal import StorageBase

/// A stream-optimized VMware image that is being made: compressed grains, each table behind its own, and the footer last.
///
/// The grain directory and one grain table are in memory.
final class VMDKStreamWriter: CompressingImageWriter {
    private let file: ImageFile
    private var header: VMDKHeader
    private let name: String
    private var directory: [UInt32]
    /// The grain table that is being filled.
    private var table: (index: Int, entries: [UInt32])?
    /// The end of what is written, a sector's.
    private var end: UInt64

    init(sectors: UInt64, name: String, to file: ImageFile) {
        self.file = file
        self.name = name
        header = VMDKHeader(capacity: sectors)
        header.version = 3
        header.flags |= VMDKHeader.Flags.compressed | VMDKHeader.Flags.markers
        header.compression = 1
        header.directoryOffset = VMDKHeader.directoryAtEnd
        // As VMware's programs have it; the descriptor needs less.
        header.overhead = header.grainSectors
        directory = [UInt32](repeating: 0, count: Int(header.tableCount))
        end = header.overhead * VMDKHeader.sectorSize
    }

    var unit: UInt64 { header.grainSize }
    var codec: Codec? { .zlib }
    var compressesAll: Bool { true }

    func place(_ range: Range<UInt64>) throws(StorageError) -> [ImagePlace] {
        throw StorageError(.notSupported, "'\(file.path)' is a stream-optimized image, which has no plain grains")
    }

    func zero(_ range: Range<UInt64>) throws(StorageError) {}

    func write(compressed bytes: [UInt8], at offset: UInt64) throws(StorageError) {
        try openTable(for: offset)
        table?.entries[Int(offset % header.tableCoverage / unit)] = try file.grainSector(at: end)
        let length = VMDKMarker.grainByteCount + bytes.count
        var grain = [UInt8](repeating: 0, count: Int(VMDKHeader.sectors(of: UInt64(length)) * VMDKHeader.sectorSize))
        grain.store(littleEndian: offset / VMDKHeader.sectorSize, at: 0)
        grain.store(littleEndian: UInt32(bytes.count), at: 8)
        grain.store(bytes, at: VMDKMarker.grainByteCount)
        try append(grain)
    }

    private func append(_ bytes: [UInt8]) throws(StorageError) {
        try file.file.write(bytes, 0..<bytes.count, at: end)
        end += UInt64(bytes.count)
    }

    private func openTable(for guest: UInt64) throws(StorageError) {
        let index = Int(guest / header.tableCoverage)
        guard table?.index != index else { return }
        try closeTable()
        table = (index, [UInt32](repeating: 0, count: Int(header.entriesPerTable)))
    }

    private func closeTable() throws(StorageError) {
        guard let table else { return }
        self.table = nil
        try append(VMDKMarker.sector(VMDKMarker.grainTable, sectors: header.tableSectors))
        directory[table.index] = try file.grainSector(at: end)
        try append([UInt8](littleEndian: table.entries))
    }

    func finish() throws(StorageError) {
        try closeTable()
        try append(VMDKMarker.sector(VMDKMarker.grainDirectory, sectors: header.directorySectors))
        var footer = header
        footer.directoryOffset = end / VMDKHeader.sectorSize
        let rest = Int(header.directorySectors * VMDKHeader.sectorSize) - directory.count * 4
        try append([UInt8](littleEndian: directory) + [UInt8](repeating: 0, count: rest))
        try append(VMDKMarker.sector(VMDKMarker.footer, sectors: 1))
        try append(footer.sector())
        try append(VMDKMarker.sector(VMDKMarker.endOfStream, sectors: 0))
        let text = VMDKDescriptor.text(
            createType: "streamOptimized",
            sectors: header.capacity,
            extent: "SPARSE \"\(name)\"",
            parent: nil
        )
        try file.file.write(text, 0..<text.count, at: header.descriptorOffset * VMDKHeader.sectorSize)
        try file.file.setSize(ByteCount(end))
        let sector = header.sector()
        try file.file.write(sector, 0..<sector.count, at: 0)
    }
}
