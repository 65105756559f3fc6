internal import StorageBase

/// A plain sparse extent that gets another size.
///
/// New tables are put behind the file's end, and nothing refers to them before the header does.
struct VMDKResizedExtent {
    private let extent: VMDKSparseExtent
    private(set) var header: VMDKHeader
    /// The size of the file with the new tables.
    private var fileSize: UInt64
    /// Where the new tables begin: the first copy's, and the second's.
    private var newTables: [UInt64] = []

    /// The place of the last grain, of which the disk's old end leaves a rest.
    private var cutGrain: UInt64?

    private var oldHeader: VMDKHeader { extent.header }
    private var file: ImageFile { extent.file }

    /// Looks whether the size can be changed; nothing is written.
    init(_ extent: VMDKSparseExtent, sectors: UInt64) throws(StorageError) {
        self.extent = extent
        header = extent.header
        header.capacity = sectors
        fileSize = extent.file.size
        if sectors < oldHeader.capacity { try validateShrinking() }
        if sectors > oldHeader.capacity { cutGrain = try findCutGrain() }
        try validatePlaces()
        guard header.tableCount > oldHeader.tableCount else { return }
        // Grains begin at multiples of their size; the last one can reach behind the end of a file that ends elsewhere.
        var end = Self.aligned(VMDKHeader.sectors(of: fileSize), to: header.grainSectors)
        if fileSize % header.grainSize != 0 { end += header.grainSectors }
        func take(_ sectors: UInt64) -> UInt64 {
            defer { end += sectors }
            return end
        }
        // The entries that end the last sector of a directory are free.
        if header.directorySectors > oldHeader.directorySectors {
            header.directoryOffset = take(header.directorySectors)
            if header.hasRedundantTables { header.redundantDirectoryOffset = take(header.directorySectors) }
        }
        let tables = (header.tableCount - oldHeader.tableCount) * header.tableSectors
        newTables.append(take(tables))
        if header.hasRedundantTables { newTables.append(take(tables)) }
        fileSize = Self.aligned(end, to: header.grainSectors) * VMDKHeader.sectorSize
        _ = try file.grainSector(at: fileSize)
    }

    private static func aligned(_ sector: UInt64, to unit: UInt64) -> UInt64 {
        VMDKHeader.quotient(sector, unit) * unit
    }

    /// What is written to may not be something else, too.
    private func validatePlaces() throws(StorageError) {
        var used = VMDKSectorRuns()
        used.add(0, count: 1)
        used.add(oldHeader.descriptorOffset, count: oldHeader.descriptorSectors)
        for directory in try directories() {
            used.add(directory.offset, count: oldHeader.directorySectors)
            if let table = directory.entries.last, table != 0 { used.add(UInt64(table), count: oldHeader.tableSectors) }
        }
        if let cutGrain { used.add(cutGrain, count: oldHeader.grainSectors) }
        var overlap: UInt64?
        used.findOverlaps { overlap = overlap ?? $0 }
        if let overlap {
            throw file.damaged(
                "the header, the descriptor or a table overlaps another",
                at: overlap * VMDKHeader.sectorSize
            )
        }
    }

    private func directories() throws(StorageError) -> [(offset: UInt64, entries: [UInt32])] {
        var directories = [(oldHeader.directoryOffset, extent.directory)]
        if oldHeader.hasRedundantTables {
            let offset = oldHeader.redundantDirectoryOffset
            directories.append((offset, try VMDKSparseExtent.directory(at: offset, file, oldHeader)))
        }
        return directories
    }

    /// Nothing of what is cut may be in use.
    private func validateShrinking() throws(StorageError) {
        // A grain that is cut through is in use where it has a place.
        let first = header.capacity / header.grainSectors
        let perTable = UInt64(header.entriesPerTable)
        for index in Int(first / perTable)..<extent.directory.count where extent.directory[index] != 0 {
            let entries = try extent.entries(at: extent.directory[index], of: index)
            let start = UInt64(index) * perTable
            for number in Int(max(first, start) - start)..<extent.entryCount(of: index)
            where extent.grain(entries[number]) == .data {
                throw StorageError(
                    .invalidArgument,
                    "'\(file.path)' cannot have \(header.virtualSize) bytes: it has data from guest offset "
                        + "\((start + UInt64(number)) * header.grainSize) on",
                    hint: "copy what is to stay into a smaller image",
                    context: StorageError.Context(path: file.path)
                )
            }
        }
    }

    /// Writes everything that the old header does not reach; it lasts through a crash.
    func prepare() throws(StorageError) {
        if header.capacity > oldHeader.capacity { try clearBehindOldEnd() }
        if header.tableCount > oldHeader.tableCount {
            try file.file.setSize(ByteCount(fileSize))
            try write(extent.directory, oldHeader.directoryOffset, header.directoryOffset, newTables[0])
            if header.hasRedundantTables {
                let redundant = try VMDKSparseExtent.directory(
                    at: oldHeader.redundantDirectoryOffset,
                    file,
                    oldHeader
                )
                let (old, new) = (oldHeader.redundantDirectoryOffset, header.redundantDirectoryOffset)
                try write(redundant, old, new, newTables[1])
            }
        }
        try file.file.synchronize()
    }

    /// Writes a directory where it moved, or what is new of it.
    private func write(_ entries: [UInt32], _ old: UInt64, _ new: UInt64, _ tables: UInt64) throws(StorageError) {
        // Below 2^32 sectors, as was looked at.
        let count = header.tableCount - oldHeader.tableCount
        let added = (0..<count).map { UInt32(truncatingIfNeeded: tables + $0 * header.tableSectors) }
        let isMoved = old != new
        let bytes = [UInt8](littleEndian: isMoved ? entries + added : added)
        let offset = new * VMDKHeader.sectorSize + (isMoved ? 0 : UInt64(entries.count) * 4)
        try file.file.write(bytes, 0..<bytes.count, at: offset)
    }

    private func findCutGrain() throws(StorageError) -> UInt64? {
        guard oldHeader.capacity % header.grainSectors > 0, let last = extent.directory.indices.last,
            extent.directory[last] != 0
        else { return nil }
        let entries = try extent.entries(at: extent.directory[last], of: last)
        let entry = entries[extent.entryCount(of: last) - 1]
        guard extent.grain(entry) == .data else { return nil }
        let place = UInt64(entry)
        // It is written to: neither what is no grain nor far behind the file's end.
        guard place >= header.overhead, place < VMDKHeader.sectors(of: file.size) else {
            throw file.damaged(
                "its last grain lies at sector \(place), where none can be",
                at: UInt64(extent.directory[last]) * VMDKHeader.sectorSize
            )
        }
        return place
    }

    /// Makes the rest of the last grain, and the last table's entries behind it, nothing: they would show now.
    private func clearBehindOldEnd() throws(StorageError) {
        if let cutGrain {
            let rest = oldHeader.capacity % header.grainSectors
            let zeros = [UInt8](repeating: 0, count: Int((header.grainSectors - rest) * VMDKHeader.sectorSize))
            try file.file.write(zeros, 0..<zeros.count, at: (cutGrain + rest) * VMDKHeader.sectorSize)
        }
        guard let last = extent.directory.indices.last else { return }
        for directory in try directories() { try clearTable(directory.entries[last], last) }
    }

    private func clearTable(_ sector: UInt32, _ index: Int) throws(StorageError) {
        guard sector != 0 else { return }
        let entries = try extent.entries(at: sector, of: index)
        let count = extent.entryCount(of: index)
        guard entries[count...].contains(where: { $0 != 0 }) else { return }
        let zeros = [UInt8](repeating: 0, count: (entries.count - count) * 4)
        let offset = UInt64(sector) * VMDKHeader.sectorSize + UInt64(count) * 4
        try file.file.write(zeros, 0..<zeros.count, at: offset)
    }

    /// Writes what makes the new size and the new tables valid: a sector, which a disk writes whole.
    func writeHeader() throws(StorageError) {
        var sector = try file.bytes(at: 0, count: VMDKHeader.byteCount, "its header")
        sector.store(littleEndian: header.capacity, at: 12)
        sector.store(littleEndian: header.redundantDirectoryOffset, at: 48)
        sector.store(littleEndian: header.directoryOffset, at: 56)
        try file.file.synchronizeData()
        try file.file.write(sector, 0..<sector.count, at: 0)
    }
}
