package import StorageBase

extension VHDXImage: CreatableImage {
    package static func validate(_ creation: ImageCreation) throws(StorageError) {
        try creation.refuseOptions(
            preallocations: [.off, .falloc, .full],
            subformats: ["dynamic", "fixed"],
            clusterSize: true
        )
        if creation.subformat != "fixed", creation.preallocation != .off {
            throw StorageError(
                .notSupported,
                "a dynamic image of format 'vhdx' has no preallocation '\(creation.preallocation.rawValue)'",
                hint: "one of subformat 'fixed' has"
            )
        }
        guard creation.virtualSize <= VHDXMetadata.maximumVirtualSize else {
            throw creation.tooLarge(limit: VHDXMetadata.maximumVirtualSize, "which are 64 TiB")
        }
        let blockSize = blockSize(creation)
        guard VHDXMetadata.blockSizes.contains(blockSize), blockSize & (blockSize - 1) == 0 else {
            throw StorageError(
                .invalidArgument,
                "a VHDX image cannot have blocks of \(blockSize) bytes",
                hint: "a block has a power of two bytes, from 1 MiB to 256 MiB"
            )
        }
    }

    package static func writer(
        _ creation: ImageCreation,
        to file: ImageFile,
        makeFile: (String) throws(StorageError) -> ImageFile
    ) throws(StorageError) -> any ImageWriter {
        VHDXWriter(
            virtualSize: (creation.virtualSize + 511) / 512 * 512,
            blockSize: blockSize(creation),
            isFixed: creation.subformat == "fixed",
            to: file
        )
    }

    /// The size that is wanted, or QEMU's choice.
    private static func blockSize(_ creation: ImageCreation) -> UInt64 {
        if let size = creation.clusterSize { return size }
        return switch creation.virtualSize {
        case ...(1 << 30): 8 << 20
        case ...(100 << 30): 16 << 20
        case ...(32 << 40): 32 << 20
        default: 64 << 20
        }
    }
}

/// A VHDX image that is being made: blocks in the order in which they come, behind the log, the metadata and the table.
private final class VHDXWriter: ImageWriter {
    private let file: ImageFile
    private let virtualSize: UInt64
    private let isFixed: Bool
    private let layout: VHDXTable
    private var header: VHDXHeader
    private let regions: VHDXRegionTable
    /// The part of the table that is being filled.
    private var page: (index: UInt64, bytes: [UInt8])?
    /// Where the first block is.
    private let start: UInt64
    /// The end of what is allocated.
    private var end: UInt64

    private static let logOffset = VHDXHeader.sectionLength
    private static let logLength: UInt32 = 1 << 20

    init(virtualSize: UInt64, blockSize: UInt64, isFixed: Bool, to file: ImageFile) {
        self.file = file
        self.virtualSize = virtualSize
        self.isFixed = isFixed
        layout = VHDXTable(blockSize: blockSize, logicalSectorSize: 512, isDifferencing: false)
        header = VHDXHeader(logOffset: Self.logOffset, logLength: Self.logLength)
        // QEMU wants that many for a disk without blocks, of whose number it subtracts one (`vhdx_calc_bat_entries`).
        let entries = virtualSize > 0 ? layout.entryCount(for: virtualSize) : UInt64(UInt32.max) / layout.chunkRatio
        let alignment = VHDXHeader.alignment
        let metadata = Self.logOffset + UInt64(Self.logLength)
        let table = metadata + VHDXMetadata.regionLength
        start = table + (entries * 8 + alignment - 1) / alignment * alignment
        regions = VHDXRegionTable(table: table..<start, metadata: metadata..<table)
        end = start
    }

    /// Of a fixed disk, the block of most file systems: smaller holes are none.
    var unit: UInt64 { isFixed ? 4096 : layout.blockSize }

    func place(_ range: Range<UInt64>) throws(StorageError) -> [ImagePlace] {
        if isFixed { return [ImagePlace(range, in: file, at: start + range.lowerBound)] }
        let place = end
        for offset in stride(from: range.lowerBound, to: range.upperBound, by: Int(unit)) {
            try setEntry(of: offset / unit)
        }
        return [ImagePlace(range, in: file, at: place)]
    }

    /// Gives a block the next place.
    private func setEntry(of block: UInt64) throws(StorageError) {
        let (index, rest) = layout.entry(of: block).quotientAndRemainder(dividingBy: VHDXImage.pageLength)
        if page?.index != index {
            try writePage()
            page = (index, [UInt8](repeating: 0, count: Int(VHDXImage.pageLength) * 8))
        }
        page?.bytes.store(littleEndian: end | VHDXTable.State.fullyPresent, at: Int(rest) * 8)
        end += layout.blockSize
    }

    private func writePage() throws(StorageError) {
        guard let page else { return }
        try write(page.bytes, at: regions.table.lowerBound + page.index * VHDXImage.pageLength * 8)
    }

    private func write(_ bytes: [UInt8], at offset: UInt64) throws(StorageError) {
        try file.file.write(bytes, 0..<bytes.count, at: offset)
    }

    func zero(_ range: Range<UInt64>) throws(StorageError) {}

    func finish() throws(StorageError) {
        if isFixed {
            for block in 0..<layout.blockCount(for: virtualSize) { try setEntry(of: block) }
        }
        try writePage()
        try file.file.setSize(ByteCount(end))
        try write(
            VHDXMetadata.region(virtualSize: virtualSize, blockSize: layout.blockSize, isFixed: isFixed),
            at: regions.metadata.lowerBound
        )
        for offset in VHDXRegionTable.offsets { try write(regions.bytes, at: offset) }
        for offset in VHDXHeader.offsets {
            header.advance(fileWrite: .random(), dataWrite: .random())
            try write(header.bytes, at: offset)
        }
        // The file identifier ([MS-VHDX] 2.2.1): the signature, and who has made the file.
        var identifier = VHDXImage.signature
        for unit in "storlib".utf16 { identifier += [UInt8(truncatingIfNeeded: unit), UInt8(unit >> 8)] }
        try write(identifier, at: 0)
    }
}
