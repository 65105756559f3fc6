internal import StorageBase

/// The header of a VirtualBox image, version 1.1 (`VDICore.h` of VirtualBox; `block/vdi.c` of QEMU).
struct VDIHeader {
    static let signature: UInt32 = 0xBEDA_107F
    static let version: UInt32 = 0x0001_0001
    /// The sector in which all fields lie, so that they change at once.
    static let length = 512
    /// The only size that QEMU reads and VirtualBox makes.
    static let blockSize: UInt64 = 1 << 20
    /// The block map has at most 2 GiB less a sector: QEMU's limit.
    static let maximumBlockCount = UInt64((1 << 31) - 512) / 4
    static let maximumVirtualSize = maximumBlockCount * blockSize
    private static let text = "<<< storlib Virtual Disk Image >>>\n"

    /// Entries of the block map that are no block's number.
    enum Entry {
        /// Nothing was ever written there.
        static let unallocated: UInt32 = 0xFFFF_FFFF
        /// What was written there was discarded; it reads as zeros.
        static let discarded: UInt32 = 0xFFFF_FFFE
    }

    enum Kind: UInt32 {
        case dynamic = 1
        case `static` = 2
        case undo = 3
        case differencing = 4

        var name: String {
            switch self {
            case .dynamic: "dynamic"
            case .static: "static"
            case .undo: "undo"
            case .differencing: "differencing"
            }
        }
    }

    var kind: Kind
    var mapOffset: UInt64 = 512
    var dataOffset: UInt64 = 0
    /// The size as the header has it, which need not be of whole sectors.
    var diskSize: UInt64
    var blockCount: UInt64
    /// The number of blocks in the file; a new one comes behind them.
    var allocatedCount: UInt64 = 0

    /// Makes the header of a new disk, whose map has room to grow in front of the data.
    init(_ kind: Kind, size: UInt64) {
        self.kind = kind
        diskSize = (size + 511) / 512 * 512
        blockCount = Self.blockCount(for: size)
        dataOffset = (mapOffset + blockCount * 4 + Self.blockSize - 1) / Self.blockSize * Self.blockSize
        if kind == .static { allocatedCount = blockCount }
    }

    init(_ file: ImageFile) throws(StorageError) {
        let header = try file.bytes(at: 0, count: Self.length, "its header")
        let version = try header.littleEndian(UInt32.self, at: 68)
        guard version == Self.version else {
            throw file.unsupported("VDI version \(version >> 16).\(version & 0xFFFF) is not known", at: 68)
        }
        guard let kind = try Kind(rawValue: header.littleEndian(UInt32.self, at: 76)) else {
            throw try file.damaged("there is no VDI image type \(header.littleEndian(UInt32.self, at: 76))", at: 76)
        }
        guard kind == .dynamic || kind == .static else {
            throw file.unsupported("a VDI image of type '\(kind.name)' is of use only beside its parent", at: 76)
        }
        self.kind = kind
        mapOffset = try UInt64(header.littleEndian(UInt32.self, at: 340))
        guard mapOffset % 512 == 0, mapOffset > 0 else {
            throw file.damaged("the block map at \(mapOffset) is at no sector behind the header", at: 340)
        }
        dataOffset = try UInt64(header.littleEndian(UInt32.self, at: 344))
        guard dataOffset % 512 == 0, dataOffset > 0 else {
            throw file.damaged("the data at \(dataOffset) is at no sector behind the header", at: 344)
        }
        let sectorSize = try header.littleEndian(UInt32.self, at: 360)
        guard sectorSize == 512 else {
            throw file.unsupported("sectors of \(sectorSize) bytes are not known", at: 360)
        }
        diskSize = try header.littleEndian(UInt64.self, at: 368)
        guard diskSize <= Self.maximumVirtualSize else {
            throw file.damaged("a disk of \(diskSize) bytes is larger than any can be", at: 368)
        }
        let blockSize = try header.littleEndian(UInt32.self, at: 376)
        guard blockSize == Self.blockSize else {
            throw file.unsupported("blocks of \(blockSize) bytes are not known", at: 376)
        }
        let extra = try header.littleEndian(UInt32.self, at: 380)
        guard extra == 0 else {
            throw file.unsupported("\(extra) extra bytes in each block are not known", at: 380)
        }
        blockCount = try UInt64(header.littleEndian(UInt32.self, at: 384))
        guard blockCount <= Self.maximumBlockCount else {
            throw file.damaged("a block map of \(blockCount) entries is larger than 2 GiB", at: 384)
        }
        guard diskSize <= blockCount * Self.blockSize else {
            throw file.damaged("a block map of \(blockCount) entries is too small for \(diskSize) bytes", at: 384)
        }
        allocatedCount = try UInt64(header.littleEndian(UInt32.self, at: 388))
        guard header[424..<456].allSatisfy({ $0 == 0 }) else {
            throw file.unsupported("it is of use only beside its parent, which its UUIDs name", at: 424)
        }
    }
}

extension VDIHeader {
    /// QEMU's disks have whole sectors.
    var virtualSize: UInt64 { (diskSize + 511) / 512 * 512 }

    static func blockCount(for size: UInt64) -> UInt64 {
        size / blockSize + (size % blockSize == 0 ? 0 : 1)
    }

    var imageDescription: ImageDescription {
        var description = ImageDescription(format: .vdi, virtualSize: ByteCount(virtualSize))
        description.version = "1.1"
        description.subformat = kind.name
        description.clusterSize = ByteCount(Self.blockSize)
        return description
    }

    /// Puts the fields that change with the size into the header's sector.
    func store(in sector: inout [UInt8]) {
        sector.store(littleEndian: UInt32(mapOffset), at: 340)
        sector.store(littleEndian: UInt32(dataOffset), at: 344)
        sector.store(littleEndian: diskSize, at: 368)
        sector.store(littleEndian: UInt32(blockCount), at: 384)
        sector.store(littleEndian: UInt32(allocatedCount), at: 388)
    }

    /// The header's sector of a new image, with random UUIDs.
    func newSector() -> [UInt8] {
        var sector = [UInt8](repeating: 0, count: Self.length)
        sector.store(Self.text.utf8, at: 0)
        sector.store(littleEndian: Self.signature, at: 64)
        sector.store(littleEndian: Self.version, at: 68)
        // The header behind the signature and version, up to the parent's UUIDs.
        sector.store(littleEndian: 384 as UInt32, at: 72)
        sector.store(littleEndian: kind.rawValue, at: 76)
        sector.store(littleEndian: 512 as UInt32, at: 360)
        sector.store(littleEndian: UInt32(Self.blockSize), at: 376)
        store(in: &sector)
        // Of the image, and of its last change.
        for offset in [392, 408] {
            // Their first three fields are little-endian.
            let uuid = StorageUUID.random().bytes
            sector.store([3, 2, 1, 0, 5, 4, 7, 6].map { uuid[$0] } + uuid[8...], at: offset)
        }
        return sector
    }
}
