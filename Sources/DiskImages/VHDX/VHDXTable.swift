/// How the block allocation table of a VHDX file is laid out: after the entries of a chunk's blocks comes that of its sector
/// bitmap ([MS-VHDX] 2.5).
struct VHDXTable {
    /// The state of a block, in the lowest bits of its entry.
    enum State {
        static let mask: UInt64 = 7
        static let notPresent: UInt64 = 0
        static let undefined: UInt64 = 1
        static let zero: UInt64 = 2
        static let unmapped: UInt64 = 3
        /// As the draft of the format, version 0.95, had it.
        static let unmappedInDraft: UInt64 = 5
        static let fullyPresent: UInt64 = 6
        static let partiallyPresent: UInt64 = 7
    }
    /// The offset in the file, in the highest bits of an entry.
    static let offsetMask: UInt64 = ~0 << 20
    /// A sector bitmap has 2^23 bits.
    static let bitmapSize: UInt64 = 1 << 20

    let blockSize: UInt64
    let logicalSectorSize: UInt64
    let isDifferencing: Bool

    /// How many blocks a sector bitmap is for.
    var chunkRatio: UInt64 { (logicalSectorSize << 23) / blockSize }

    func blockCount(for size: UInt64) -> UInt64 { (size + blockSize - 1) / blockSize }

    func entryCount(for size: UInt64) -> UInt64 {
        let blocks = blockCount(for: size)
        guard blocks > 0 else { return 0 }
        let chunks = (blocks - 1) / chunkRatio + 1
        return isDifferencing ? chunks * (chunkRatio + 1) : blocks + chunks - 1
    }

    /// The index of a block's entry.
    func entry(of block: UInt64) -> UInt64 { block + block / chunkRatio }

    /// The index of the entry of the sector bitmap for a block.
    func bitmapEntry(for block: UInt64) -> UInt64 { block / chunkRatio * (chunkRatio + 1) + chunkRatio }

    /// The block of an entry; nil where it is that of a sector bitmap.
    func block(of entry: UInt64) -> UInt64? {
        let (chunk, rest) = entry.quotientAndRemainder(dividingBy: chunkRatio + 1)
        return rest == chunkRatio ? nil : chunk * chunkRatio + rest
    }
}
