package import StorageBase

extension QCOW2Image: CreatableImage {
    package static func validate(_ creation: ImageCreation) throws(StorageError) {
        _ = try header(creation)
    }

    package static func writer(
        _ creation: ImageCreation,
        to file: ImageFile,
        makeFile: (String) throws(StorageError) -> ImageFile
    ) throws(StorageError) -> any ImageWriter {
        try QCOW2Writer(header(creation), compresses: creation.compression != nil, to: file)
    }

    private static func header(_ creation: ImageCreation) throws(StorageError) -> QCOW2Header {
        try creation.refuseOptions(
            preallocations: Set(ImageCreation.Preallocation.allCases),
            clusterSize: true,
            backing: true,
            compression: true,
            qcow2: true
        )
        var header = QCOW2Header()
        switch creation.compatibility {
        case nil, "1.1": header.version = 3
        case "0.10": header.version = 2
        case .some(let level):
            throw StorageError(
                .invalidArgument,
                "qcow2 has no compatibility level '\(level.printable)'",
                hint: "it has 0.10 and 1.1"
            )
        }
        let clusterSize = creation.clusterSize ?? (creation.hasExtendedL2 ? 128 << 10 : 64 << 10)
        let smallest: UInt64 = creation.hasExtendedL2 ? 16 << 10 : 512
        guard clusterSize & (clusterSize &- 1) == 0, (smallest...(2 << 20)).contains(clusterSize) else {
            throw StorageError(
                .invalidArgument,
                "a qcow2 image cannot have clusters of \(clusterSize) bytes",
                hint: "a cluster has a power of two bytes, from \(smallest) to 2097152"
            )
        }
        header.clusterBits = UInt32(clusterSize.trailingZeroBitCount)
        if header.version == 2 {
            if creation.hasLazyRefcounts { throw old("lazy reference counts") }
            if creation.hasExtendedL2 { throw old("extended L2 entries") }
            if creation.compression == .zstd { throw old("zstd") }
        }
        if creation.hasLazyRefcounts { header.compatibleFeatures |= QCOW2Header.lazyRefcounts }
        if creation.hasExtendedL2 { header.incompatibleFeatures |= QCOW2Header.IncompatibleFeatures.extendedL2 }
        if creation.compression == .zstd {
            header.compressionType = 1
            header.incompatibleFeatures |= QCOW2Header.IncompatibleFeatures.compression
        }
        // QEMU's images have whole sectors.
        header.virtualSize = (creation.virtualSize + 511) / 512 * 512
        guard header.l1EntryCount(for: header.virtualSize) * 8 <= QCOW2Header.maximumL1ByteCount else {
            throw creation.tooLarge(
                limit: QCOW2Header.maximumL1ByteCount / 8 * header.l2Coverage,
                "with clusters of \(clusterSize) bytes"
            )
        }
        header.l1EntryCount = UInt32(header.l1EntryCount(for: header.virtualSize))
        if let backing = creation.backing {
            guard creation.preallocation == .off else {
                throw creation.unsupported("preallocation beside a backing file")
            }
            header.backingName = backing.name
            header.backingFormatName = backing.format?.rawValue
            guard backing.name.utf8.count <= QCOW2Header.maximumNameLength, header.firstClusterNeed <= clusterSize
            else {
                throw StorageError(
                    .invalidArgument,
                    "the name of backing file '\(backing.name.printable)' is too long for a qcow2 image",
                    hint: "it has at most \(QCOW2Header.maximumNameLength) bytes, and fits a cluster"
                )
            }
        }
        return header
    }

    private static func old(_ feature: String) -> StorageError {
        StorageError(
            .invalidArgument,
            "a qcow2 image of compatibility level 0.10 has no \(feature)",
            hint: "level 1.1 has"
        )
    }
}

/// A qcow2 image that is being made: clusters in the order in which they come, the tables between them.
///
/// A refcount block is kept until all of its clusters are allocated, so that an image of any size needs the memory of a few
/// clusters beside its L1 and refcount table.
final class QCOW2Writer: CompressingImageWriter {
    private let file: ImageFile
    private var header: QCOW2Header
    private let compresses: Bool
    private var l1: [UInt64]
    /// The L2 table that is being filled.
    private var l2: (index: Int, offset: UInt64, entries: [UInt64])?
    /// The end of what is allocated.
    private var end: UInt64 = 0
    private var refcountTable: [UInt64] = []
    /// The refcount blocks whose clusters are not all allocated, by their number.
    private var openBlocks: [Int: [UInt16]] = [:]
    /// Where the next compressed unit goes, if it fits what is left of its cluster.
    private var compressedEnd: UInt64 = 0

    init(_ header: QCOW2Header, compresses: Bool, to file: ImageFile) throws(StorageError) {
        self.header = header
        self.file = file
        self.compresses = compresses
        l1 = [UInt64](repeating: 0, count: Int(header.l1EntryCount))
        _ = try allocate(clusters: 1, count: 1)
        if header.l1EntryCount > 0 {
            self.header.l1Offset = try allocate(clusters: clusters(of: UInt64(l1.count) * 8), count: 1)
        }
    }

    var unit: UInt64 { header.clusterSize }
    var codec: Codec? { compresses ? header.codec : nil }
    var compressesAll: Bool { false }

    private func clusters(of bytes: UInt64) -> UInt64 { (bytes + unit - 1) / unit }

    func place(_ range: Range<UInt64>) throws(StorageError) -> [ImagePlace] {
        var places: [ImagePlace] = []
        var position = range.lowerBound
        while position < range.upperBound {
            try openL2(for: position)
            // As far as this L2 table goes.
            let limit = min(range.upperBound, (position / header.l2Coverage + 1) * header.l2Coverage)
            let offset = try allocate(clusters: clusters(of: limit - position), count: 1)
            for (number, guest) in stride(from: position, to: limit, by: Int(unit)).enumerated() {
                set(guest, QCOW2Image.copied | (offset + UInt64(number) * unit), bitmap: 0xFFFF_FFFF)
            }
            places.append(ImagePlace(position..<limit, in: file, at: offset))
            position = limit
        }
        return places
    }

    func zero(_ range: Range<UInt64>) throws(StorageError) {
        guard header.backingName != nil else { return }
        // Version 2 knows no zero clusters: they are allocated, and nothing is written there.
        guard header.version == 3 else {
            _ = try place(range)
            return
        }
        for guest in stride(from: range.lowerBound, to: range.upperBound, by: Int(unit)) {
            try openL2(for: guest)
            set(guest, header.extendedL2 ? 0 : QCOW2Image.zero, bitmap: 0xFFFF_FFFF_0000_0000)
        }
    }

    func write(compressed bytes: [UInt8], at offset: UInt64) throws(StorageError) {
        try openL2(for: offset)
        let length = UInt64(bytes.count)
        let place = try allocate(compressed: length)
        try file.file.write(bytes, 0..<bytes.count, at: place)
        let sectors = (place + length - 1) / 512 - place / 512
        set(offset, QCOW2Image.compressed | sectors << (62 - UInt64(header.clusterBits - 8)) | place, bitmap: 0)
    }

    /// Whole and parts of clusters, one after the other, since units share clusters.
    private func allocate(compressed length: UInt64) throws(StorageError) -> UInt64 {
        let rest = (unit - compressedEnd % unit) % unit
        if length > rest {
            let next = try allocate(clusters: clusters(of: length - rest), count: 0)
            if next != compressedEnd + rest {
                // Something else came between.
                if rest > 0, clusters(of: length) > clusters(of: length - rest) {
                    _ = try allocate(clusters: 1, count: 0)
                }
                compressedEnd = next
            }
        }
        let place = compressedEnd
        compressedEnd += length
        for cluster in place / unit...(place + length - 1) / unit { addReference(to: cluster) }
        return place
    }

    private func set(_ guest: UInt64, _ entry: UInt64, bitmap: UInt64) {
        let index = Int(guest % header.l2Coverage / unit)
        if header.extendedL2 {
            l2?.entries[index * 2] = entry
            l2?.entries[index * 2 + 1] = bitmap
        } else {
            l2?.entries[index] = entry
        }
    }

    private func openL2(for guest: UInt64) throws(StorageError) {
        let index = Int(guest / header.l2Coverage)
        guard l2?.index != index else { return }
        try closeL2()
        let offset = try allocate(clusters: 1, count: 1)
        l1[index] = offset | QCOW2Image.copied
        l2 = (index, offset, [UInt64](repeating: 0, count: Int(unit / 8)))
    }

    private func closeL2() throws(StorageError) {
        guard let l2 else { return }
        try write(l2.entries, at: l2.offset)
        self.l2 = nil
    }

    private func write(_ table: [UInt64], at offset: UInt64) throws(StorageError) {
        var bytes = [UInt8](repeating: 0, count: table.count * 8)
        for (index, entry) in table.enumerated() where entry != 0 { bytes.store(bigEndian: entry, at: index * 8) }
        try file.file.write(bytes, 0..<bytes.count, at: offset)
    }

    // MARK: Reference counts

    private func allocate(clusters: UInt64, count: UInt16) throws(StorageError) -> UInt64 {
        let offset = end
        take(clusters, count)
        // A new block needs a cluster, which may be the first of a further block.
        while refcountTable.count <= Int((end / unit - 1) / header.refcountsPerBlock) {
            let number = refcountTable.count
            refcountTable.append(end)
            if openBlocks[number] == nil { openBlocks[number] = newBlock }
            take(1, 1)
        }
        try closeBlocks()
        return offset
    }

    private var newBlock: [UInt16] { [UInt16](repeating: 0, count: Int(header.refcountsPerBlock)) }

    private func take(_ clusters: UInt64, _ count: UInt16) {
        for cluster in end / unit..<end / unit + clusters where count > 0 { addReference(to: cluster) }
        end += clusters * unit
    }

    private func addReference(to cluster: UInt64) {
        let (number, index) = cluster.quotientAndRemainder(dividingBy: header.refcountsPerBlock)
        openBlocks[Int(number), default: newBlock][Int(index)] += 1
    }

    /// Writes the blocks in which nothing changes any more.
    private func closeBlocks() throws(StorageError) {
        let current = Int(min(end, compressedEnd > 0 ? compressedEnd : end) / unit / header.refcountsPerBlock)
        guard openBlocks.count > 1 else { return }
        for (number, counts) in openBlocks where number < current && number < refcountTable.count {
            try write(counts, at: refcountTable[number])
            openBlocks[number] = nil
        }
    }

    private func write(_ counts: [UInt16], at offset: UInt64) throws(StorageError) {
        var bytes = [UInt8](repeating: 0, count: counts.count * 2)
        for (index, count) in counts.enumerated() where count != 0 { bytes.store(bigEndian: count, at: index * 2) }
        try file.file.write(bytes, 0..<bytes.count, at: offset)
    }

    func finish() throws(StorageError) {
        try closeL2()
        // The table must have room for the blocks that its own clusters need.
        var tableClusters = clusters(of: UInt64(refcountTable.count + 1) * 8)
        while true {
            let last = end / unit + tableClusters
            // A block more than is needed at most, for the clusters of new blocks.
            let blocks = last / header.refcountsPerBlock + 2
            let needed = clusters(of: blocks * 8)
            if needed <= tableClusters { break }
            tableClusters = needed
        }
        header.refcountTableOffset = try allocate(clusters: tableClusters, count: 1)
        header.refcountTableClusters = UInt32(tableClusters)
        try write(refcountTable, at: header.refcountTableOffset)
        for (number, counts) in openBlocks { try write(counts, at: refcountTable[number]) }
        try write(l1, at: header.l1Offset)
        try file.file.setSize(ByteCount(end))
        let first = header.firstCluster()
        try file.file.write(first, 0..<first.count, at: 0)
    }
}
