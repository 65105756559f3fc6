package import StorageBase

extension QCOW2Image: ResizableImage {
    package func validateResize(to size: UInt64) throws(StorageError) {
        func refuse(_ reason: String) -> StorageError {
            StorageError(
                .notSupported,
                "'\(file.path)' cannot change its size: \(reason)",
                context: StorageError.Context(path: file.path)
            )
        }
        if description.isCorrupt { throw refuse("it is marked as corrupt") }
        if description.isDirty {
            throw refuse("its last writer did not close it, and its reference counts are not sure")
        }
        if description.snapshotCount > 0 { throw refuse("it has \(description.snapshotCount) internal snapshots") }
        if header.bitmaps != nil { throw refuse("it has bitmaps, whose size is that of the disk") }
        guard header.l1EntryCount(for: size) * 8 <= QCOW2Header.maximumL1ByteCount else {
            throw refuse(
                "with clusters of \(header.clusterSize) bytes it has at most "
                    + "\(QCOW2Header.maximumL1ByteCount / 8 * header.l2Coverage) bytes"
            )
        }
        guard size < header.virtualSize else { return }
        // What is cut must not be in use: its clusters would not be freed.
        var position = size
        while position < header.virtualSize {
            let extent = try extent(at: position)
            switch extent.content {
            case .data, .compressed:
                // The cluster in which the new end lies stays.
                let end = (size + header.clusterSize - 1) / header.clusterSize * header.clusterSize
                guard extent.range.upperBound <= end else {
                    throw refuse("it holds data at guest offset \(max(position, end)), behind the new end")
                }
            case .zero, .unallocated: break
            }
            position = extent.range.upperBound
        }
    }

    /// The L1 table grows first, and the header says so last, in one write; what a crash leaves in between is leaked clusters.
    package func resize(to size: UInt64, cancellation: Cancellation) throws(StorageError) {
        let size = (size + 511) / 512 * 512
        try validateResize(to: size)
        let needed = header.l1EntryCount(for: size)
        let room = (UInt64(l1.count) * 8 + header.clusterSize - 1) / header.clusterSize * header.clusterSize / 8
        var header = header
        var old: [(offset: UInt64, clusters: UInt64)] = []
        if needed > UInt64(l1.count) {
            let table = l1 + [UInt64](repeating: 0, count: Int(needed) - l1.count)
            if needed > room {
                if !l1.isEmpty { old.append((header.l1Offset, room * 8 / header.clusterSize)) }
                var allocator = try QCOW2Allocator(header, file)
                let clusters = (needed * 8 + header.clusterSize - 1) / header.clusterSize
                header.l1Offset = try allocator.allocate(clusters: clusters)
                if allocator.header.refcountTableOffset != header.refcountTableOffset {
                    old.append((header.refcountTableOffset, UInt64(header.refcountTableClusters)))
                }
                header.refcountTableOffset = allocator.header.refcountTableOffset
                header.refcountTableClusters = allocator.header.refcountTableClusters
            }
            var bytes = [UInt8](repeating: 0, count: Int(needed) * 8)
            for (index, entry) in table.enumerated() where entry != 0 { bytes.store(bigEndian: entry, at: index * 8) }
            try file.file.write(bytes, 0..<bytes.count, at: header.l1Offset)
            try file.file.synchronize()
            header.l1EntryCount = UInt32(needed)
        }
        header.virtualSize = size
        try writeHeader(header)
        try file.file.synchronize()
        try free(old, header)
    }

    private func free(_ ranges: [(offset: UInt64, clusters: UInt64)], _ header: QCOW2Header) throws(StorageError) {
        guard !ranges.isEmpty else { return }
        var counts = try QCOW2Refcounts(header, file)
        for range in ranges {
            let first = range.offset / header.clusterSize
            for cluster in first..<first + range.clusters {
                let count = try counts.count(of: cluster)
                if count > 0 { try counts.setCount(of: cluster, to: count - 1) }
            }
        }
        try counts.flush()
        try file.file.synchronize()
    }

    /// Size, L1 table and refcount table: 36 bytes within one sector.
    private func writeHeader(_ header: QCOW2Header) throws(StorageError) {
        var bytes = Array(file.head[24..<60])
        bytes.store(bigEndian: header.virtualSize, at: 0)
        bytes.store(bigEndian: header.l1EntryCount, at: 12)
        bytes.store(bigEndian: header.l1Offset, at: 16)
        bytes.store(bigEndian: header.refcountTableOffset, at: 24)
        bytes.store(bigEndian: header.refcountTableClusters, at: 32)
        try file.file.write(bytes, 0..<bytes.count, at: 24)
    }
}

/// Gives an image new clusters at its file's end, with their reference counts.
struct QCOW2Allocator {
    private let file: ImageFile
    /// Where the refcount table is; the caller writes the header once all else lasts.
    private(set) var header: QCOW2Header

    init(_ header: QCOW2Header, _ file: ImageFile) throws(StorageError) {
        self.header = header
        self.file = file
    }

    /// Allocates clusters that follow each other.
    ///
    /// New refcount blocks, and a new table where the old one has no room for them, follow behind; all of it lasts when this
    /// returns, and is leaked until the header refers to it.
    mutating func allocate(clusters: UInt64) throws(StorageError) -> UInt64 {
        let size = header.clusterSize
        let start = (file.size + size - 1) / size
        var stored = try QCOW2Refcounts(header, file)
        var table = stored.table
        var end = start + clusters
        var newBlocks: [Int] = []
        var newTable: (cluster: UInt64, count: UInt64)?
        // Blocks and table count themselves: until nothing more is needed.
        while true {
            let last = Int((end - 1) / header.refcountsPerBlock)
            if last >= max(table.count, Int((newTable?.count ?? 0) * size / 8)) {
                let count = (UInt64(last) + 2) * 8 / size + 1
                newTable = (end, count)
                end += count
                continue
            }
            let missing = (Int(start / header.refcountsPerBlock)...last)
                .filter {
                    ($0 >= table.count || table[$0] == 0) && !newBlocks.contains($0)
                }
            guard let number = missing.first else { break }
            while table.count <= number { table.append(0) }
            table[number] = end * size
            newBlocks.append(number)
            end += 1
        }
        try file.file.setSize(ByteCount(end * size))
        try write(counts: start..<end, newBlocks: newBlocks, table: table, &stored)
        if let newTable {
            var bytes = [UInt8](repeating: 0, count: Int(newTable.count * size))
            for (index, entry) in table.enumerated() where entry != 0 { bytes.store(bigEndian: entry, at: index * 8) }
            try file.file.write(bytes, 0..<bytes.count, at: newTable.cluster * size)
            header.refcountTableOffset = newTable.cluster * size
            header.refcountTableClusters = UInt32(newTable.count)
        } else {
            try write(newBlocks: newBlocks, table: table)
        }
        try file.file.synchronize()
        return start * size
    }

    /// The entries of new refcount blocks, the last ones first: a block's own cluster is counted in itself or in a later one.
    ///
    /// A sector is written at once, and lasts before the one before it.
    private func write(newBlocks: [Int], table: [UInt64]) throws(StorageError) {
        var rest = newBlocks.sorted()
        while let last = rest.last {
            let sector = last / Self.entriesPerSector * Self.entriesPerSector
            let first = rest.first { $0 >= sector } ?? last
            var bytes = [UInt8](repeating: 0, count: (last + 1 - first) * 8)
            for number in first...last { bytes.store(bigEndian: table[number], at: (number - first) * 8) }
            try file.file.write(bytes, 0..<bytes.count, at: header.refcountTableOffset + UInt64(first) * 8)
            rest.removeAll { $0 >= sector }
            if !rest.isEmpty { try file.file.synchronize() }
        }
    }

    private static let entriesPerSector = 512 / 8

    /// Counts of 1: in the blocks that are, and in new ones, which last before the table refers to them.
    private func write(
        counts clusters: Range<UInt64>,
        newBlocks: [Int],
        table: [UInt64],
        _ stored: inout QCOW2Refcounts
    ) throws(StorageError) {
        let perBlock = header.refcountsPerBlock
        for number in Int(clusters.lowerBound / perBlock)...Int((clusters.upperBound - 1) / perBlock) {
            let range = clusters.clamped(to: UInt64(number) * perBlock..<UInt64(number + 1) * perBlock)
            if newBlocks.contains(number) {
                var block = QCOW2RefcountBlock(header)
                for cluster in range { block.setOne(Int(cluster - UInt64(number) * perBlock)) }
                try file.file.write(block.bytes, 0..<block.bytes.count, at: table[number])
            } else {
                for cluster in range { try stored.setCount(of: cluster, to: 1) }
            }
        }
        try stored.flush()
        try file.file.synchronize()
    }
}

/// A new refcount block.
private struct QCOW2RefcountBlock {
    private(set) var bytes: [UInt8]
    private let bits: Int

    init(_ header: QCOW2Header) {
        bytes = [UInt8](repeating: 0, count: Int(header.clusterSize))
        bits = 1 << Int(header.refcountOrder)
    }

    mutating func setOne(_ index: Int) {
        if bits >= 8 {
            bytes[(index + 1) * (bits / 8) - 1] = 1
        } else {
            bytes[index * bits / 8] |= 1 << UInt8(index * bits % 8)
        }
    }
}
