package import StorageBase

/// A VMware image: a descriptor, and extents that hold the data ("Virtual Disk Format 5.0").
///
/// The descriptor is a file of its own, or is embedded in the only extent.
package final class VMDKImage: DiskImage {
    package static var format: ImageFormat { .vmdk }

    package let file: ImageFile
    package let description: ImageDescription
    let descriptor: VMDKDescriptor
    /// The extent that is the image's file.
    let embedding: VMDKSparseExtent?
    let opener: ImageOpener
    /// What the descriptor names, in the order of the guest's disk; one without a name where the descriptor is embedded.
    let parts: [Part]
    /// The part that was read last: the others' files are closed, as there may be thousands.
    private var last: (index: Int, source: Source)?

    /// A range of the guest's disk that one extent holds.
    struct Part {
        let range: Range<UInt64>
        let extent: VMDKDescriptor.Extent?
    }

    /// An extent that is open.
    enum Source {
        case flat(RawImage, offset: UInt64)
        case sparse(VMDKSparseExtent)
        case zero
    }

    private static let cowdSignature = Array("COWD".utf8)

    package static func recognizes(head: [UInt8]) -> Bool {
        head.starts(with: VMDKHeader.signature) || head.starts(with: cowdSignature)
            || head.starts(with: VMDKDescriptor.signature)
    }

    package static func describe(_ file: ImageFile) throws(StorageError) -> ImageDescription {
        if file.head.starts(with: cowdSignature) { return try cowdDescription(file) }
        let (header, descriptor) = try read(file)
        return try describe(file, header, descriptor)
    }

    package init(_ file: ImageFile, opener: ImageOpener) throws(StorageError) {
        guard !file.head.starts(with: Self.cowdSignature) else {
            throw file.unsupported("sparse extents of ESX, which begin with COWD, cannot be read", at: 0)
        }
        let (header, descriptor) = try Self.read(file)
        self.file = file
        self.opener = opener
        self.descriptor = descriptor
        description = try Self.describe(file, header, descriptor)
        if let header {
            embedding = try VMDKSparseExtent(file, header)
            parts = [Part(range: 0..<header.virtualSize, extent: nil)]
        } else {
            embedding = nil
            parts = try Self.parts(descriptor, file)
        }
    }

    /// What identifies the content of an image, for images that hold differences from it.
    static func contentIdentifier(of file: ImageFile) throws(StorageError) -> UInt32 {
        guard !file.head.starts(with: cowdSignature) else {
            throw file.unsupported("an ESX extent names no content", at: 0)
        }
        return try read(file).1.contentIdentifier
    }

    /// The header of the only extent, where the image's file is it, and the descriptor.
    private static func read(_ file: ImageFile) throws(StorageError) -> (VMDKHeader?, VMDKDescriptor) {
        guard file.head.starts(with: VMDKHeader.signature) else { return (nil, try VMDKDescriptor(file)) }
        let header = try VMDKHeader(file)
        guard let descriptor = try VMDKDescriptor(embeddedIn: file, header) else {
            throw file.unsupported("it is one extent of an image, whose descriptor is another file", at: 28)
        }
        // Extents of no size can be a place for the descriptor of others, as QEMU reads them.
        let isPlace = header.capacity == 0 && !["monolithicSparse", "streamOptimized"].contains(descriptor.createType)
        return (isPlace ? nil : header, descriptor)
    }

    private static func describe(
        _ file: ImageFile,
        _ header: VMDKHeader?,
        _ descriptor: VMDKDescriptor
    ) throws(StorageError) -> ImageDescription {
        let size = if let header { header.virtualSize } else { try descriptor.virtualSize(file) }
        var description = ImageDescription(format: .vmdk, virtualSize: ByteCount(size))
        description.subformat = descriptor.createType
        description.backing = descriptor.parentName.map { ImageDescription.Backing(name: $0, format: .vmdk) }
        guard let header else {
            description.version = descriptor.version
            description.dataFiles = descriptor.extents.compactMap(\.name)
            return description
        }
        description.version = "\(header.version)"
        description.clusterSize = ByteCount(header.grainSize)
        description.isDirty = header.isDirty
        if header.hasRedundantTables { description.features.append("redundant_grain_table") }
        if header.hasZeroedGrains { description.features.append("zeroed_grain") }
        if header.hasMarkers { description.features.append("markers") }
        if header.isCompressed {
            description.features.append("compressed")
            description.compression = Codec.zlib.rawValue
        }
        return description
    }

    /// What the header of an ESX sparse extent says, whose descriptor is another file ("ESX Server Sparse Extents").
    private static func cowdDescription(_ file: ImageFile) throws(StorageError) -> ImageDescription {
        let header = try file.bytes(at: 0, count: 32, "its header")
        let sectors = try header.littleEndian(UInt32.self, at: 12)
        var description = ImageDescription(
            format: .vmdk,
            virtualSize: ByteCount(UInt64(sectors) * VMDKHeader.sectorSize)
        )
        description.version = try "\(header.littleEndian(UInt32.self, at: 4))"
        description.subformat = "vmfsSparse"
        description.clusterSize = ByteCount(
            UInt64(try header.littleEndian(UInt32.self, at: 16)) * VMDKHeader.sectorSize
        )
        return description
    }

    /// The types of which each extent is a file that can be read; others are on ESX, or devices.
    private static let readableTypes: Set<String> = [
        "monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat", "2GbMaxExtentSparse",
        "2GbMaxExtentFlat", "streamOptimized", "vmfs",
    ]

    private static func parts(_ descriptor: VMDKDescriptor, _ file: ImageFile) throws(StorageError) -> [Part] {
        guard readableTypes.contains(descriptor.createType) else {
            throw file.unsupported("images of type '\(descriptor.createType.printable)' cannot be read", at: 0)
        }
        var parts: [Part] = []
        var start: UInt64 = 0
        for extent in descriptor.extents where extent.sectors > 0 {
            if case .other(let type) = extent.kind {
                throw file.unsupported("extents of type '\(type.printable)' cannot be read", at: 0)
            }
            // The sum was looked at for the description.
            let end = start + extent.sectors * VMDKHeader.sectorSize
            parts.append(Part(range: start..<end, extent: extent))
            start = end
        }
        return parts
    }

    package func extent(at offset: UInt64) throws(StorageError) -> ImageExtent {
        let index = partIndex(at: offset)
        let range = parts[index].range
        let inner = offset - range.lowerBound
        let length = range.upperBound - range.lowerBound
        switch try source(index) {
        case .zero: return ImageExtent(range, .zero)
        case .sparse(let extent):
            return try extent.extent(at: inner).moved(from: 0, to: range.lowerBound, within: 0..<length)
        case .flat(let image, let start):
            return try image.extent(at: start + inner)
                .moved(
                    from: start,
                    to: range.lowerBound,
                    within: start..<start + length
                )
        }
    }

    /// The number of the part in which an offset lies.
    private func partIndex(at offset: UInt64) -> Int {
        if let last, parts[last.index].range.contains(offset) { return last.index }
        var low = 0
        var high = parts.count - 1
        while low < high {
            let middle = (low + high) / 2
            if offset < parts[middle].range.upperBound { high = middle } else { low = middle + 1 }
        }
        return low
    }

    /// Opens a part.
    func source(_ index: Int) throws(StorageError) -> Source {
        if let last, last.index == index { return last.source }
        let source = try open(parts[index])
        last = (index, source)
        return source
    }

    private func open(_ part: Part) throws(StorageError) -> Source {
        if let embedding { return .sparse(embedding) }
        guard let extent = part.extent, extent.isAccessible else {
            throw file.unsupported(
                "its descriptor allows no access to the extent at guest offset \(part.range.lowerBound)",
                at: 0
            )
        }
        if case .zero = extent.kind { return .zero }
        let length = part.range.upperBound - part.range.lowerBound
        let opened = try opener.open(extent.name ?? "", namedBy: file)
        if case .sparse = extent.kind {
            let sparse = try VMDKSparseExtent(opened)
            guard sparse.header.virtualSize >= length else {
                throw opened.damaged(
                    "an extent of \(sparse.header.capacity) sectors is smaller than the \(extent.sectors) of its image",
                    at: 12
                )
            }
            return .sparse(sparse)
        }
        let (start, overflow) = extent.offset.multipliedReportingOverflow(by: VMDKHeader.sectorSize)
        guard !overflow, start <= opened.size, length <= opened.size - start else {
            throw opened.damaged(
                "it ends before the \(extent.sectors) sectors that its image has from sector \(extent.offset) on",
                at: opened.size
            )
        }
        return .flat(try RawImage(opened, opener: opener), offset: start)
    }
}

extension ImageExtent {
    /// The part of it that lies within a range, which begins elsewhere on the guest's disk.
    fileprivate func moved(from start: UInt64, to target: UInt64, within limits: Range<UInt64>) -> ImageExtent {
        let kept = range.clamped(to: limits)
        let moved = kept.lowerBound - start + target..<kept.upperBound - start + target
        guard case .data(let file, let offset) = content else { return ImageExtent(moved, content) }
        return ImageExtent(moved, .data(file, offset: offset + (kept.lowerBound - range.lowerBound)))
    }
}
