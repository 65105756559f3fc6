internal import StorageBase

/// The table of what is where in a VHDX file ([MS-VHDX] 2.2.3), of which there are two copies.
struct VHDXRegionTable {
    static let byteCount = 64 << 10
    static let offsets: [UInt64] = [192 << 10, 256 << 10]
    private static let maximumEntryCount: UInt32 = 2047
    private static let blockAllocationTable = MicrosoftGUID(0x2DC2_7766, 0xF623, 0x4200, 0x9D64_115E_9BFD_4A08)
    private static let metadata = MicrosoftGUID(0x8B7C_A206, 0x4790, 0x4B9A, 0xB8FE_575F_050F_886E)

    private(set) var bytes: [UInt8]
    private(set) var table: Range<UInt64>
    let metadata: Range<UInt64>
    /// Where in the bytes the entry of the block allocation table is.
    private let tableEntry: Int
    /// Which copies are damaged, or differ from the one that counts.
    let damagedCopies: [Int]

    init(_ source: VHDXSource, log: Range<UInt64>) throws(StorageError) {
        let file = source.file
        var copies: [[UInt8]] = []
        for offset in Self.offsets {
            copies.append(try source.bytes(at: offset, count: Self.byteCount, "its region tables"))
        }
        let first = copies.firstIndex { $0.starts(with: "regi".utf8) && $0.hasValidVHDXChecksum }
        guard let first else {
            throw file.damaged("the checksums of both of its region tables are wrong", at: Self.offsets[0])
        }
        let bytes = copies[first]
        damagedCopies = copies.indices.filter { copies[$0] != bytes }
        self.bytes = bytes
        let base = Self.offsets[first]
        let count = try bytes.littleEndian(UInt32.self, at: 8)
        guard count <= Self.maximumEntryCount else {
            throw file.damaged("a table of \(count) regions is larger than 2047", at: base + 8)
        }
        var regions: [MicrosoftGUID: (range: Range<UInt64>, entry: Int)] = [:]
        var previous: [Range<UInt64>] = [log]
        for entry in stride(from: 16, to: 16 + Int(count) * 32, by: 32) {
            let guid = MicrosoftGUID(bytes, at: entry)
            let start = try bytes.littleEndian(UInt64.self, at: entry + 16)
            let length = try UInt64(bytes.littleEndian(UInt32.self, at: entry + 24))
            let isRequired = try bytes.littleEndian(UInt32.self, at: entry + 28) & 1 != 0
            let place = base + UInt64(entry)
            let (end, overflow) = start.addingReportingOverflow(length)
            guard start >= VHDXHeader.sectionLength, start % VHDXHeader.alignment == 0,
                length % VHDXHeader.alignment == 0, !overflow
            else {
                throw file.damaged("a region is not on whole MiB behind the headers", at: place)
            }
            previous.append(start..<end)
            guard regions.updateValue((start..<end, entry), forKey: guid) == nil else {
                throw file.damaged("a region is there twice", at: place)
            }
            guard !isRequired || guid == Self.blockAllocationTable || guid == Self.metadata else {
                throw file.unsupported("it has a region that must be known, and is not", at: place)
            }
        }
        // In order, each has to begin where the one before it has ended.
        previous.sort { ($0.lowerBound, $0.upperBound) < ($1.lowerBound, $1.upperBound) }
        for index in previous.indices.dropFirst() where previous[index - 1].overlaps(previous[index]) {
            throw file.damaged("two regions overlap, or one the log", at: previous[index].lowerBound)
        }
        guard let table = regions[Self.blockAllocationTable], let metadata = regions[Self.metadata] else {
            throw file.damaged("it has no block allocation table, or no metadata", at: base)
        }
        self.table = table.range
        self.metadata = metadata.range
        tableEntry = table.entry
    }

    /// Makes the table of a new file.
    init(table: Range<UInt64>, metadata: Range<UInt64>) {
        bytes = [UInt8](repeating: 0, count: Self.byteCount)
        self.table = table
        self.metadata = metadata
        tableEntry = 16
        damagedCopies = []
        bytes.store("regi".utf8, at: 0)
        bytes.store(littleEndian: 2 as UInt32, at: 8)
        bytes.store(Self.metadata.bytes, at: 48)
        store(metadata, at: 48)
        bytes.store(Self.blockAllocationTable.bytes, at: tableEntry)
        move(to: table)
    }

    /// Puts the block allocation table elsewhere.
    mutating func move(to table: Range<UInt64>) {
        self.table = table
        store(table, at: tableEntry)
        bytes.storeVHDXChecksum()
    }

    private mutating func store(_ region: Range<UInt64>, at entry: Int) {
        bytes.store(littleEndian: region.lowerBound, at: entry + 16)
        bytes.store(littleEndian: UInt32(region.upperBound - region.lowerBound), at: entry + 24)
        bytes.store(littleEndian: 1 as UInt32, at: entry + 28)
    }
}
