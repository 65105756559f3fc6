package import StorageBase

extension VDIImage: CreatableImage {
    package static func validate(_ creation: ImageCreation) throws(StorageError) {
        _ = try header(creation)
    }

    package static func writer(
        _ creation: ImageCreation,
        to file: ImageFile,
        makeFile: (String) throws(StorageError) -> ImageFile
    ) throws(StorageError) -> any ImageWriter {
        VDIWriter(try header(creation), to: file)
    }

    private static func header(_ creation: ImageCreation) throws(StorageError) -> VDIHeader {
        let kinds = [VDIHeader.Kind.dynamic, .static]
        try creation.refuseOptions(
            preallocations: Set(ImageCreation.Preallocation.allCases),
            subformats: kinds.map(\.name)
        )
        guard creation.virtualSize <= VDIHeader.maximumVirtualSize else {
            throw creation.tooLarge(limit: VDIHeader.maximumVirtualSize, "with a block map of 2 GiB")
        }
        let isPreallocated = creation.preallocation != .off
        let kind =
            kinds.first { $0.name == creation.subformat } ?? (isPreallocated ? .static : .dynamic)
        if kind == .dynamic, isPreallocated {
            throw creation.unsupported("preallocation where the subformat is 'dynamic'")
        }
        return VDIHeader(kind, size: creation.virtualSize)
    }
}

/// A VirtualBox image that is being made: a dynamic one has its blocks in the order in which they come, a static one has
/// each in its place.
private final class VDIWriter: ImageWriter {
    private let file: ImageFile
    private var header: VDIHeader
    private var map: ImageTableWriter<UInt32>

    init(_ header: VDIHeader, to file: ImageFile) {
        self.header = header
        self.file = file
        map = ImageTableWriter(
            to: file,
            at: header.mapOffset,
            count: header.blockCount,
            isBigEndian: false,
            filler: VDIHeader.Entry.unallocated
        )
    }

    var unit: UInt64 { VDIHeader.blockSize }

    private func place(of number: UInt64) -> UInt64 { header.dataOffset + number * unit }

    func place(_ range: Range<UInt64>) throws(StorageError) -> [ImagePlace] {
        if header.kind == .static {
            return [ImagePlace(range, in: file, at: header.dataOffset + range.lowerBound)]
        }
        let offset = place(of: header.allocatedCount)
        for guest in stride(from: range.lowerBound, to: range.upperBound, by: Int(unit)) {
            try map.set(guest / unit, to: UInt32(header.allocatedCount))
            header.allocatedCount += 1
        }
        return [ImagePlace(range, in: file, at: offset)]
    }

    func zero(_ range: Range<UInt64>) throws(StorageError) {}

    func finish() throws(StorageError) {
        if header.kind == .static {
            for number in 0..<header.blockCount { try map.set(number, to: UInt32(number)) }
        }
        try map.finish()
        try file.file.setSize(ByteCount(place(of: header.allocatedCount)))
        let sector = header.newSector()
        try file.file.write(sector, 0..<sector.count, at: 0)
    }
}
