internal import StorageBase

/// The header of a VHD that grows ("Virtual Hard Disk Image Format Specification": Dynamic Disk Header Format).
struct VHDDynamicHeader {
    static let byteCount = 1024
    /// What QEMU and Virtual PC make.
    static let usualBlockSize: UInt32 = 2 << 20
    /// An entry of the block allocation table without a block.
    static let unallocated: UInt32 = .max
    /// QEMU's limit; the table is never in memory whole.
    private static let maximumEntryCount: UInt32 = 1 << 29
    /// More than any path needs.
    private static let maximumLocatorLength: UInt32 = 4096
    private static let cookie = Array("cxsparse".utf8)
    private static let checksumOffset = 36

    private(set) var bytes: [UInt8]
    let offset: UInt64
    private(set) var tableOffset: UInt64
    private(set) var entryCount: UInt32
    let blockSize: UInt32
    /// The image of which a differencing disk holds the differences.
    private(set) var parentName: String?

    init(_ file: ImageFile, at offset: UInt64, isDifferencing: Bool) throws(StorageError) {
        self.offset = offset
        bytes = try file.bytes(at: offset, count: Self.byteCount, "the header of a disk that grows")
        guard bytes.starts(with: Self.cookie) else {
            throw file.damaged("the footer points to something that is no header", at: offset)
        }
        guard VHDFooter.hasValidChecksum(bytes, at: Self.checksumOffset) else {
            throw file.damaged("the header's checksum is wrong", at: offset + UInt64(Self.checksumOffset))
        }
        tableOffset = try bytes.bigEndian(UInt64.self, at: 16)
        entryCount = try bytes.bigEndian(UInt32.self, at: 28)
        blockSize = try bytes.bigEndian(UInt32.self, at: 32)
        // The smallest block whose bitmap is more than a part of a byte's.
        guard blockSize >= 4096, blockSize & (blockSize - 1) == 0 else {
            throw file.damaged("a block of \(blockSize) bytes is no power of two from 4096 on", at: offset + 32)
        }
        guard entryCount <= Self.maximumEntryCount else {
            throw file.damaged("a table of \(entryCount) blocks is larger than any can be", at: offset + 28)
        }
        let (end, overflow) = tableOffset.addingReportingOverflow(tableByteCount)
        guard !overflow, end <= file.size else {
            throw file.damaged("the table of \(entryCount) blocks ends outside the file", at: offset + 16)
        }
        if isDifferencing { parentName = try Self.parentName(bytes, file, offset) }
    }

    /// Makes the header of a new disk, whose table follows it.
    init(blockSize: UInt32, entryCount: UInt32) {
        bytes = [UInt8](repeating: 0, count: Self.byteCount)
        offset = UInt64(VHDFooter.byteCount)
        tableOffset = offset + UInt64(Self.byteCount)
        self.entryCount = entryCount
        self.blockSize = blockSize
        bytes.store(Self.cookie, at: 0)
        bytes.store(bigEndian: UInt64.max, at: 8)
        bytes.store(bigEndian: 0x0001_0000 as UInt32, at: 24)
        bytes.store(bigEndian: blockSize, at: 32)
        move(to: tableOffset, entryCount: entryCount)
    }

    /// Puts the table elsewhere.
    mutating func move(to tableOffset: UInt64, entryCount: UInt32) {
        self.tableOffset = tableOffset
        self.entryCount = entryCount
        bytes.store(bigEndian: tableOffset, at: 16)
        bytes.store(bigEndian: entryCount, at: 28)
        bytes.store(bigEndian: VHDFooter.checksum(bytes, at: Self.checksumOffset), at: Self.checksumOffset)
    }

    /// The path relative to the image, where a locator has it; else the parent's name.
    private static func parentName(_ bytes: [UInt8], _ file: ImageFile, _ offset: UInt64) throws(StorageError)
        -> String
    {
        for locator in stride(from: 576, to: 768, by: 24) where bytes[locator..<locator + 4].elementsEqual("W2ru".utf8)
        {
            let length = try bytes.bigEndian(UInt32.self, at: locator + 8)
            guard length <= maximumLocatorLength else {
                throw file.damaged(
                    "a parent's path of \(length) bytes is longer than any",
                    at: offset + UInt64(locator)
                )
            }
            let place = try bytes.bigEndian(UInt64.self, at: locator + 16)
            let path = try file.bytes(at: place, count: Int(length), "the parent's path")
            guard let path = String(utf16: path[...], isBigEndian: false) else {
                throw file.damaged("the parent's path is not UTF-16", at: place)
            }
            return path.withSlashes
        }
        guard let name = String(utf16: bytes[64..<576], isBigEndian: true), !name.isEmpty else {
            throw file.damaged("the parent's name is not UTF-16", at: offset + 64)
        }
        return name.withSlashes
    }

    var tableByteCount: UInt64 { UInt64(entryCount) * 4 }

    /// The bitmap before each block, of whole sectors.
    var bitmapSize: UInt64 { (UInt64(blockSize) / (8 * 512) + 511) / 512 * 512 }

    func blockCount(for size: UInt64) -> UInt64 {
        let (count, rest) = size.quotientAndRemainder(dividingBy: UInt64(blockSize))
        return count + (rest > 0 ? 1 : 0)
    }

    /// Where the table's sectors end, which belong to it whole.
    func tableEnd(entryCount: UInt64) -> UInt64 { (tableOffset + entryCount * 4 + 511) / 512 * 512 }
}
