import StorageBase

/// Walks all that a qcow2 image refers to, and counts the references to each cluster.
///
/// Counted are those of one window of clusters at a time, so that a file of any size is checked in the same memory.
struct QCOW2References {
    /// The clusters that are counted at once: 16 MiB of counts.
    static let windowLength: UInt64 = 8 << 20
    /// More than an image can be of use with; each has an L1 table that is walked.
    private static let maximumSnapshots: UInt32 = 65_536
    private static let maximumBitmaps: UInt32 = 65_535

    private let file: ImageFile
    private let header: QCOW2Header
    private let l1: [UInt64]
    private let cancellation: Cancellation
    /// The first of the clusters that are counted.
    private let first: UInt64
    private(set) var counts: [UInt16]
    /// What is wrong with the references themselves; noted in the first window alone.
    private(set) var check = ImageCheck()
    private var notes: Bool { first == 0 }

    init(
        _ file: ImageFile,
        _ header: QCOW2Header,
        l1: [UInt64],
        first: UInt64,
        count: UInt64,
        cancellation: Cancellation
    ) {
        self.file = file
        self.header = header
        self.l1 = l1
        self.first = first
        self.cancellation = cancellation
        counts = [UInt16](repeating: 0, count: Int(count))
    }

    /// Walks the image.
    ///
    /// - Parameter copied: Told of each entry of the tables that are in use: what it points to, whether it says that nothing
    ///   else does, and where it is.
    mutating func walk(copied: (_ cluster: UInt64, _ isCopied: Bool, _ offset: UInt64) -> Void) throws(StorageError) {
        mark(0, header.clusterSize, "the header", at: 0)
        if !l1.isEmpty { mark(header.l1Offset, UInt64(l1.count) * 8, "the L1 table", at: 40) }
        try walkTable(l1, at: header.l1Offset, isActive: true, copied)
        try walkRefcounts()
        try walkSnapshots(copied)
        if let encryption = header.encryptionHeader {
            mark(encryption.offset, encryption.length, "the encryption header", at: 0)
        }
        try walkBitmaps()
    }

    /// Counts the clusters of a range once each.
    private mutating func mark(_ offset: UInt64, _ length: UInt64, _ what: @autoclosure () -> String, at place: UInt64)
    {
        guard length > 0 else { return }
        let (end, overflow) = offset.addingReportingOverflow(length)
        guard !overflow, offset < file.size,
            end <= (file.size + header.clusterSize - 1) / header.clusterSize * header.clusterSize
        else {
            if notes { check.add(.corruption, "\(what()) lies at \(offset), outside the file", at: place) }
            return
        }
        if notes { check.endOffset = max(check.endOffset, ByteCount(end)) }
        let firstCluster = max(offset / header.clusterSize, first)
        let lastCluster = min((end - 1) / header.clusterSize, first + UInt64(counts.count) - 1)
        guard firstCluster <= lastCluster else { return }
        for cluster in firstCluster...lastCluster {
            counts[Int(cluster - first)] =
                counts[Int(cluster - first)] &+ (counts[Int(cluster - first)] == .max ? 0 : 1)
        }
    }

    private func isAligned(_ offset: UInt64) -> Bool { offset % header.clusterSize == 0 }

    /// Walks an L1 table and the L2 tables below it.
    private mutating func walkTable(
        _ l1: [UInt64],
        at place: UInt64,
        isActive: Bool,
        _ copied: (UInt64, Bool, UInt64) -> Void
    ) throws(StorageError) {
        for (index, entry) in l1.enumerated() {
            let offset = entry & QCOW2Image.offsetMask
            guard offset != 0 else { continue }
            try cancellation.check()
            let entryPlace = place + UInt64(index) * 8
            guard isAligned(offset), offset < file.size, header.clusterSize <= file.size - offset else {
                if notes {
                    check.add(
                        .corruption,
                        "L1 entry \(index) points to \(offset), where no L2 table can be",
                        at: entryPlace
                    )
                }
                continue
            }
            mark(offset, header.clusterSize, "an L2 table", at: entryPlace)
            if isActive { copied(offset / header.clusterSize, entry & QCOW2Image.copied != 0, entryPlace) }
            try walkL2(offset, isActive: isActive, copied)
        }
    }

    private mutating func walkL2(
        _ offset: UInt64,
        isActive: Bool,
        _ copied: (UInt64, Bool, UInt64) -> Void
    ) throws(StorageError) {
        let entries = try file.table(at: offset, count: Int(header.clusterSize / 8), isBigEndian: true, "an L2 table")
        let step = header.extendedL2 ? 2 : 1
        for index in stride(from: 0, to: entries.count, by: step) where entries[index] != 0 {
            let entry = entries[index]
            let place = offset + UInt64(index) * 8
            if entry & QCOW2Image.compressed != 0 {
                let data = compressed(entry)
                mark(data.offset, data.length, "a compressed cluster", at: place)
                if isActive { countAllocated() }
                continue
            }
            let cluster = entry & QCOW2Image.offsetMask
            guard cluster != 0 || header.hasDataFile && entry & QCOW2Image.copied != 0 else { continue }
            if isActive { countAllocated() }
            guard !header.hasDataFile else { continue }
            guard isAligned(cluster) else {
                if notes { check.add(.corruption, "an L2 entry points to \(cluster), which is no cluster", at: place) }
                continue
            }
            mark(cluster, header.clusterSize, "a cluster", at: place)
            if isActive, cluster < file.size {
                copied(cluster / header.clusterSize, entry & QCOW2Image.copied != 0, place)
            }
        }
    }

    private mutating func countAllocated() {
        if notes { check.allocatedUnits += 1 }
    }

    private func compressed(_ entry: UInt64) -> (offset: UInt64, length: UInt64) {
        let shift = 62 - UInt64(header.clusterBits - 8)
        let offset = entry & ((1 << shift) - 1)
        let sectors = (entry & ~(QCOW2Image.copied | QCOW2Image.compressed)) >> shift + 1
        // Whole sectors, but not behind the file's end: the last unit may end there.
        let length = sectors * 512 - offset % 512
        return (offset, offset < file.size ? min(length, file.size - offset) : length)
    }

    private mutating func walkRefcounts() throws(StorageError) {
        let length = UInt64(header.refcountTableClusters) * header.clusterSize
        mark(header.refcountTableOffset, length, "the refcount table", at: 48)
        for (index, block) in try QCOW2Refcounts.table(header, file).enumerated() where block != 0 {
            let place = header.refcountTableOffset + UInt64(index) * 8
            guard isAligned(block) else {
                if notes {
                    check.add(.corruption, "refcount block \(index) lies at \(block), which is no cluster", at: place)
                }
                continue
            }
            mark(block, header.clusterSize, "refcount block \(index)", at: place)
        }
    }

    private mutating func walkSnapshots(_ copied: (UInt64, Bool, UInt64) -> Void) throws(StorageError) {
        guard header.snapshotCount > 0 else { return }
        guard header.snapshotCount <= Self.maximumSnapshots else {
            throw file.damaged("\(header.snapshotCount) snapshots are more than \(Self.maximumSnapshots)", at: 60)
        }
        var offset = header.snapshotsOffset
        for _ in 0..<header.snapshotCount {
            let entry = try file.bytes(at: offset, count: 40, "the snapshot table")
            let tableOffset = try entry.bigEndian(UInt64.self, at: 0)
            let tableCount = try entry.bigEndian(UInt32.self, at: 8)
            let length =
                try UInt64(entry.bigEndian(UInt16.self, at: 12)) + UInt64(entry.bigEndian(UInt16.self, at: 14))
                + UInt64(entry.bigEndian(UInt32.self, at: 36)) + 40
            guard UInt64(tableCount) * 8 <= QCOW2Header.maximumL1ByteCount else {
                throw file.damaged("a snapshot's L1 table of \(tableCount) entries is larger than 32 MiB", at: offset)
            }
            mark(tableOffset, UInt64(tableCount) * 8, "a snapshot's L1 table", at: offset)
            let table = try file.table(
                at: tableOffset,
                count: Int(tableCount),
                isBigEndian: true,
                "a snapshot's L1 table"
            )
            try walkTable(table, at: tableOffset, isActive: false, copied)
            offset += (length + 7) / 8 * 8
        }
        mark(header.snapshotsOffset, offset - header.snapshotsOffset, "the snapshot table", at: 64)
    }

    private mutating func walkBitmaps() throws(StorageError) {
        guard let (count, directory) = header.bitmaps else { return }
        guard count <= Self.maximumBitmaps else {
            throw file.damaged("\(count) bitmaps are more than \(Self.maximumBitmaps)", at: directory.offset)
        }
        mark(directory.offset, directory.length, "the bitmaps' directory", at: 0)
        var offset = directory.offset
        for _ in 0..<count {
            let entry = try file.bytes(at: offset, count: 24, "the bitmaps' directory")
            let tableOffset = try entry.bigEndian(UInt64.self, at: 0)
            let tableCount = try entry.bigEndian(UInt32.self, at: 8)
            let length =
                try UInt64(entry.bigEndian(UInt16.self, at: 18)) + UInt64(entry.bigEndian(UInt32.self, at: 20)) + 24
            guard UInt64(tableCount) * 8 <= QCOW2Header.maximumL1ByteCount else {
                throw file.damaged("a bitmap's table of \(tableCount) entries is larger than 32 MiB", at: offset)
            }
            mark(tableOffset, UInt64(tableCount) * 8, "a bitmap's table", at: offset)
            let table = try file.table(at: tableOffset, count: Int(tableCount), isBigEndian: true, "a bitmap's table")
            for cluster in table where cluster & QCOW2Image.offsetMask != 0 {
                mark(cluster & QCOW2Image.offsetMask, header.clusterSize, "a bitmap's cluster", at: tableOffset)
            }
            offset += (length + 7) / 8 * 8
        }
    }
}
