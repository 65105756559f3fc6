package import StorageBase

extension VPCImage: CreatableImage {
    package static func validate(_ creation: ImageCreation) throws(StorageError) {
        try creation.refuseOptions(preallocations: [.off, .falloc, .full], subformats: ["dynamic", "fixed"])
        if creation.subformat != "fixed", creation.preallocation != .off {
            throw StorageError(
                .notSupported,
                "a dynamic image of format 'vpc' has no preallocation '\(creation.preallocation.rawValue)'",
                hint: "one of subformat 'fixed' has"
            )
        }
        guard creation.virtualSize <= VHDFooter.maximumVirtualSize else {
            throw creation.tooLarge(limit: VHDFooter.maximumVirtualSize, "which are 2040 GiB")
        }
    }

    package static func writer(
        _ creation: ImageCreation,
        to file: ImageFile,
        makeFile: (String) throws(StorageError) -> ImageFile
    ) throws(StorageError) -> any ImageWriter {
        let size = (creation.virtualSize + 511) / 512 * 512
        return creation.subformat == "fixed"
            ? try FixedVPCWriter(virtualSize: size, to: file) : DynamicVPCWriter(virtualSize: size, to: file)
    }
}

/// A fixed VHD that is being made: a plain file with a footer.
private final class FixedVPCWriter: ImageWriter {
    private let file: ImageFile
    private let footer: VHDFooter

    init(virtualSize: UInt64, to file: ImageFile) throws(StorageError) {
        self.file = file
        footer = VHDFooter(type: .fixed, virtualSize: virtualSize)
        try file.file.setSize(ByteCount(virtualSize))
    }

    /// The block of most file systems: smaller holes are none.
    var unit: UInt64 { 4096 }

    func place(_ range: Range<UInt64>) throws(StorageError) -> [ImagePlace] {
        [ImagePlace(range, in: file, at: range.lowerBound)]
    }

    func zero(_ range: Range<UInt64>) throws(StorageError) {}

    func finish() throws(StorageError) {
        try file.file.setSize(ByteCount(footer.virtualSize))
        try file.file.write(footer.bytes, 0..<footer.bytes.count, at: footer.virtualSize)
    }
}

/// A VHD that grows and that is being made: blocks in the order in which they come, behind the table.
private final class DynamicVPCWriter: ImageWriter {
    private let file: ImageFile
    private let footer: VHDFooter
    private let header: VHDDynamicHeader
    private var table: [UInt32]
    /// The end of what is allocated.
    private var end: UInt64
    private let bitmap: [UInt8]

    init(virtualSize: UInt64, to file: ImageFile) {
        self.file = file
        footer = VHDFooter(type: .dynamic, virtualSize: virtualSize)
        let blockSize = VHDDynamicHeader.usualBlockSize
        let count = (virtualSize + UInt64(blockSize) - 1) / UInt64(blockSize)
        header = VHDDynamicHeader(blockSize: blockSize, entryCount: UInt32(count))
        table = [UInt32](repeating: VHDDynamicHeader.unallocated, count: Int(count))
        end = header.tableEnd(entryCount: count)
        bitmap = [UInt8](repeating: 0xFF, count: Int(header.bitmapSize))
    }

    var unit: UInt64 { UInt64(header.blockSize) }

    func place(_ range: Range<UInt64>) throws(StorageError) -> [ImagePlace] {
        var places: [ImagePlace] = []
        for start in stride(from: range.lowerBound, to: range.upperBound, by: Int(unit)) {
            try file.file.write(bitmap, 0..<bitmap.count, at: end)
            table[Int(start / unit)] = UInt32(end / 512)
            let data = end + header.bitmapSize
            places.append(ImagePlace(start..<min(start + unit, range.upperBound), in: file, at: data))
            end = data + unit
        }
        return places
    }

    func zero(_ range: Range<UInt64>) throws(StorageError) {}

    func finish() throws(StorageError) {
        let length = header.tableEnd(entryCount: UInt64(table.count)) - header.tableOffset
        var bytes = [UInt8](repeating: 0xFF, count: Int(length))
        for (index, entry) in table.enumerated() where entry != VHDDynamicHeader.unallocated {
            bytes.store(bigEndian: entry, at: index * 4)
        }
        try file.file.write(bytes, 0..<bytes.count, at: header.tableOffset)
        try file.file.setSize(ByteCount(end))
        try file.file.write(footer.bytes, 0..<footer.bytes.count, at: end)
        try file.file.write(header.bytes, 0..<header.bytes.count, at: header.offset)
        try file.file.write(footer.bytes, 0..<footer.bytes.count, at: 0)
    }
}
