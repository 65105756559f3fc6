package import StorageBase

extension BochsImage: CreatableImage {
    package static func validate(_ creation: ImageCreation) throws(StorageError) {
        try creation.refuseOptions(
            preallocations: Set(ImageCreation.Preallocation.allCases),
            subformats: ["growing"]
        )
        guard creation.virtualSize <= BochsHeader.maximumVirtualSize else {
            throw creation.tooLarge(
                limit: BochsHeader.maximumVirtualSize,
                "with a catalog of \(BochsHeader.maximumCatalogCount) extents of 8 MiB"
            )
        }
    }

    package static func writer(
        _ creation: ImageCreation,
        to file: ImageFile,
        makeFile: (String) throws(StorageError) -> ImageFile
    ) throws(StorageError) -> any ImageWriter {
        try validate(creation)
        let sectors = (creation.virtualSize + BochsHeader.sectorSize - 1) / BochsHeader.sectorSize
        return BochsWriter(BochsHeader(virtualSize: sectors * BochsHeader.sectorSize), to: file)
    }
}

/// A growing Bochs disk that is being made: extents in the order in which they come, each behind its bitmap.
private final class BochsWriter: ImageWriter {
    private let header: BochsHeader
    private let file: ImageFile
    private var catalog: [UInt8]
    private var count: UInt32 = 0

    init(_ header: BochsHeader, to file: ImageFile) {
        self.header = header
        self.file = file
        catalog = [UInt8](repeating: 0xFF, count: Int(header.catalogCount) * 4)
    }

    var unit: UInt64 { header.extentSize }

    func place(_ range: Range<UInt64>) throws(StorageError) -> [ImagePlace] {
        var places: [ImagePlace] = []
        var position = range.lowerBound
        while position < range.upperBound {
            let limit = min(range.upperBound - position, unit) + position
            let offset = header.slotOffset(count)
            var bitmap = SectorBitmap(byteCount: Int(header.bitmapByteCount))
            bitmap.insert(0..<Int((limit - position + BochsHeader.sectorSize - 1) / BochsHeader.sectorSize))
            try file.file.write(bitmap.bytes, 0..<bitmap.bytes.count, at: offset)
            catalog.store(littleEndian: count, at: Int(position / unit) * 4)
            count += 1
            places.append(ImagePlace(position..<limit, in: file, at: offset + header.bitmapSize))
            position = limit
        }
        return places
    }

    func zero(_ range: Range<UInt64>) throws(StorageError) {}

    func finish() throws(StorageError) {
        try file.file.setSize(ByteCount(header.slotOffset(count)))
        try file.file.write(catalog, 0..<catalog.count, at: header.catalogOffset)
        let bytes = header.serialized()
        try file.file.write(bytes, 0..<bytes.count, at: 0)
    }
}
