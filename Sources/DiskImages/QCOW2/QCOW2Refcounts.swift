import StorageBase

/// The reference counts that a qcow2 image stores, of 1 to 64 bits each.
struct QCOW2Refcounts {
    /// QEMU's limit (`QCOW_MAX_REFTABLE_SIZE`).
    static let maximumTableByteCount: UInt64 = 8 << 20

    private let file: ImageFile
    private let header: QCOW2Header
    let table: [UInt64]
    /// The block that was used last.
    private var block: (number: Int, bytes: [UInt8])?

    init(_ header: QCOW2Header, _ file: ImageFile) throws(StorageError) {
        self.header = header
        self.file = file
        table = try Self.table(header, file)
    }

    static func table(_ header: QCOW2Header, _ file: ImageFile) throws(StorageError) -> [UInt64] {
        let length = UInt64(header.refcountTableClusters) * header.clusterSize
        guard length <= maximumTableByteCount else {
            throw file.damaged("a refcount table of \(length) bytes is larger than 8 MiB", at: 56)
        }
        guard header.refcountTableOffset % header.clusterSize == 0, header.refcountTableOffset != 0, length > 0 else {
            throw file.damaged("the refcount table does not begin at a cluster behind the header", at: 48)
        }
        return try file.table(
            at: header.refcountTableOffset,
            count: Int(length / 8),
            isBigEndian: true,
            "the refcount table"
        )
    }

    /// The count of a cluster; 0 where there is no block for it.
    mutating func count(of cluster: UInt64) throws(StorageError) -> UInt64 {
        let (number, index) = cluster.quotientAndRemainder(dividingBy: header.refcountsPerBlock)
        guard number < UInt64(table.count), table[Int(number)] != 0,
            table[Int(number)] % header.clusterSize == 0
        else { return 0 }
        let bytes = try blockBytes(Int(number))
        let bits = 1 << Int(header.refcountOrder)
        guard bits >= 8 else {
            let position = Int(index) * bits
            return UInt64(bytes[position / 8] >> (position % 8)) & ((1 << bits) - 1)
        }
        let offset = Int(index) * (bits / 8)
        switch bits {
        case 8: return UInt64(bytes[offset])
        case 16: return try UInt64(bytes.bigEndian(UInt16.self, at: offset))
        case 32: return try UInt64(bytes.bigEndian(UInt32.self, at: offset))
        default: return try bytes.bigEndian(UInt64.self, at: offset)
        }
    }

    /// Sets the count of a cluster, for which there is a block; it is written by ``flush()`` or with the next block.
    mutating func setCount(of cluster: UInt64, to count: UInt64) throws(StorageError) {
        let (number, index) = cluster.quotientAndRemainder(dividingBy: header.refcountsPerBlock)
        _ = try blockBytes(Int(number))
        let bits = 1 << Int(header.refcountOrder)
        isChanged = true
        guard bits >= 8 else {
            let position = Int(index) * bits
            let mask = UInt8((1 << bits) - 1) << (position % 8)
            let old = block?.bytes[position / 8] ?? 0
            block?.bytes[position / 8] = old & ~mask | UInt8(truncatingIfNeeded: count) << (position % 8)
            return
        }
        let offset = Int(index) * (bits / 8)
        switch bits {
        case 8: block?.bytes[offset] = UInt8(truncatingIfNeeded: count)
        case 16: block?.bytes.store(bigEndian: UInt16(truncatingIfNeeded: count), at: offset)
        case 32: block?.bytes.store(bigEndian: UInt32(truncatingIfNeeded: count), at: offset)
        default: block?.bytes.store(bigEndian: count, at: offset)
        }
    }

    private var isChanged = false

    /// Writes the block that was changed.
    mutating func flush() throws(StorageError) {
        guard isChanged, let block else { return }
        try file.file.write(block.bytes, 0..<block.bytes.count, at: table[block.number])
        isChanged = false
    }

    private mutating func blockBytes(_ number: Int) throws(StorageError) -> [UInt8] {
        if let block, block.number == number { return block.bytes }
        try flush()
        let bytes = try file.bytes(at: table[number], count: Int(header.clusterSize), "refcount block \(number)")
        block = (number, bytes)
        return bytes
    }
}
