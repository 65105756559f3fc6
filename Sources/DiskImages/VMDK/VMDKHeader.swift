internal import StorageBase

/// The header of a sparse extent, which is its footer too ("Virtual Disk Format 5.0" of VMware, Hosted Sparse Extents).
struct VMDKHeader {
    static let signature = Array("KDMV".utf8)
    static let byteCount = 512
    static let sectorSize: UInt64 = 512
    /// The largest is what an expanded unit may have (``CompressedData/maximumExpandedLength``); smaller ones are of ESX formats.
    static let grainSectorCounts: ClosedRange<UInt64> = 8...16384
    /// The specification's only number; QEMU reads smaller ones.
    static let maximumEntries: UInt32 = 512
    /// A grain directory is held in memory whole: enough for 128 TiB with usual grains, of which 2 TiB can be in use.
    static let maximumDirectoryByteCount: UInt64 = 16 << 20
    /// The grain directory's place is in the footer.
    static let directoryAtEnd = UInt64.max
    /// What is lost where a file is transferred as text.
    private static let lineEnds: [UInt8] = [0x0A, 0x20, 0x0D, 0x0A]

    enum Flags {
        static let lineEnds: UInt32 = 1
        static let redundantTables: UInt32 = 2
        static let zeroedGrains: UInt32 = 4
        static let compressed: UInt32 = 1 << 16
        static let markers: UInt32 = 1 << 17
    }

    var version: UInt32 = 1
    var flags = Flags.lineEnds
    /// The size that a guest sees, in sectors as all that follows.
    var capacity: UInt64
    var grainSectors: UInt64 = 128
    var descriptorOffset: UInt64 = 1
    var descriptorSectors: UInt64 = 20
    var entriesPerTable = Self.maximumEntries
    var redundantDirectoryOffset: UInt64 = 0
    var directoryOffset: UInt64 = 0
    /// Where the first grain may begin.
    var overhead: UInt64 = 0
    var isDirty = false
    var compression: UInt16 = 0

    init(capacity: UInt64) {
        self.capacity = capacity
    }

    init(_ file: ImageFile) throws(StorageError) {
        try self.init(file, at: 0)
        // The footer takes precedence.
        if directoryOffset == Self.directoryAtEnd { self = try Self.footer(of: file) }
    }

    private init(_ file: ImageFile, at offset: UInt64) throws(StorageError) {
        let bytes = try file.bytes(at: offset, count: Self.byteCount, "its header")
        guard bytes.starts(with: Self.signature) else {
            throw file.damaged("a sparse extent does not begin with KDMV", at: offset)
        }
        version = try bytes.littleEndian(UInt32.self, at: 4)
        flags = try bytes.littleEndian(UInt32.self, at: 8)
        capacity = try bytes.littleEndian(UInt64.self, at: 12)
        grainSectors = try bytes.littleEndian(UInt64.self, at: 20)
        descriptorOffset = try bytes.littleEndian(UInt64.self, at: 28)
        descriptorSectors = try bytes.littleEndian(UInt64.self, at: 36)
        entriesPerTable = try bytes.littleEndian(UInt32.self, at: 44)
        redundantDirectoryOffset = try bytes.littleEndian(UInt64.self, at: 48)
        directoryOffset = try bytes.littleEndian(UInt64.self, at: 56)
        overhead = try bytes.littleEndian(UInt64.self, at: 64)
        isDirty = bytes[72] != 0
        compression = try bytes.littleEndian(UInt16.self, at: 77)
        try validate(lineEnds: bytes[73..<77], file, offset)
    }

    private func validate(lineEnds: ArraySlice<UInt8>, _ file: ImageFile, _ offset: UInt64) throws(StorageError) {
        guard (1...3).contains(version) else {
            throw file.unsupported("version \(version) of a sparse extent is not known", at: offset + 4)
        }
        guard flags & Flags.lineEnds == 0 || lineEnds.elementsEqual(Self.lineEnds) else {
            throw file.damaged("line ends were changed in it, as by a transfer as text", at: offset + 73)
        }
        guard compression <= 1 else {
            throw file.unsupported("compression \(compression) is not known", at: offset + 77)
        }
        guard capacity <= ByteCount.maximum.bytes / Self.sectorSize else {
            throw file.damaged("a disk of \(capacity) sectors is larger than any can be", at: offset + 12)
        }
        guard Self.grainSectorCounts.contains(grainSectors), grainSectors & (grainSectors - 1) == 0 else {
            throw file.damaged(
                "grains of \(grainSectors) sectors are not a power of two between 8 and 16384",
                at: offset + 20
            )
        }
        guard (1...Self.maximumEntries).contains(entriesPerTable) else {
            throw file.damaged(
                "grain tables of \(entriesPerTable) entries have none, or more than 512",
                at: offset + 44
            )
        }
        guard tableCount * 4 <= Self.maximumDirectoryByteCount else {
            throw file.damaged("a grain directory of \(tableCount) entries is larger than 16 MiB", at: offset + 12)
        }
        guard overhead <= file.size / Self.sectorSize else {
            throw file.damaged(
                "the file of \(file.size) bytes ends before its first grain, at sector \(overhead)",
                at: offset + 64
            )
        }
    }

    private static func footer(of file: ImageFile) throws(StorageError) -> VMDKHeader {
        // The footer's marker, the footer, and the end-of-stream marker.
        guard file.size / sectorSize >= 4 else {
            throw file.damaged("the file of \(file.size) bytes ends before its footer", at: 56)
        }
        let offset = (file.size / sectorSize - 3) * sectorSize
        let bytes = try file.bytes(at: offset, count: 3 * byteCount, "its footer")
        let footer = try VMDKMarker(bytes, at: 0)
        let end = try VMDKMarker(bytes, at: 2 * byteCount)
        guard footer.kind == VMDKMarker.footer, end.value == 0, end.kind == VMDKMarker.endOfStream else {
            throw file.damaged("the footer is not where the file of \(file.size) bytes ends", at: offset)
        }
        let header = try VMDKHeader(file, at: offset + sectorSize)
        guard header.directoryOffset != directoryAtEnd else {
            throw file.damaged("the footer does not say where the grain directory is", at: offset + sectorSize + 56)
        }
        return header
    }
}

extension VMDKHeader {
    var grainSize: UInt64 { grainSectors * Self.sectorSize }
    var virtualSize: UInt64 { capacity * Self.sectorSize }
    /// The bytes of the guest's disk that one grain table describes.
    var tableCoverage: UInt64 { UInt64(entriesPerTable) * grainSize }
    var tableSectors: UInt64 { Self.sectors(of: UInt64(entriesPerTable) * 4) }
    var grainCount: UInt64 { Self.quotient(capacity, grainSectors) }
    /// The number of grain tables, which the grain directory has an entry each for.
    var tableCount: UInt64 { Self.quotient(grainCount, UInt64(entriesPerTable)) }
    var directorySectors: UInt64 { Self.sectors(of: tableCount * 4) }
    var isCompressed: Bool { compression == 1 }
    var hasMarkers: Bool { flags & Flags.markers != 0 }
    var hasZeroedGrains: Bool { flags & Flags.zeroedGrains != 0 }
    var hasRedundantTables: Bool {
        flags & Flags.redundantTables != 0 && redundantDirectoryOffset != 0
            && redundantDirectoryOffset != directoryOffset
    }

    /// The number of sectors that hold some bytes.
    static func sectors(of bytes: UInt64) -> UInt64 { quotient(bytes, sectorSize) }

    /// The quotient rounded up.
    static func quotient(_ value: UInt64, _ divisor: UInt64) -> UInt64 {
        let (quotient, rest) = value.quotientAndRemainder(dividingBy: divisor)
        return rest == 0 ? quotient : quotient + 1
    }

    /// The sector of an extent with this header.
    func sector() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Self.byteCount)
        bytes.store(Self.signature, at: 0)
        bytes.store(littleEndian: version, at: 4)
        bytes.store(littleEndian: flags, at: 8)
        bytes.store(littleEndian: capacity, at: 12)
        bytes.store(littleEndian: grainSectors, at: 20)
        bytes.store(littleEndian: descriptorOffset, at: 28)
        bytes.store(littleEndian: descriptorSectors, at: 36)
        bytes.store(littleEndian: entriesPerTable, at: 44)
        bytes.store(littleEndian: redundantDirectoryOffset, at: 48)
        bytes.store(littleEndian: directoryOffset, at: 56)
        bytes.store(littleEndian: overhead, at: 64)
        bytes[72] = isDirty ? 1 : 0
        bytes.store(Self.lineEnds, at: 73)
        bytes.store(littleEndian: compression, at: 77)
        return bytes
    }
}
