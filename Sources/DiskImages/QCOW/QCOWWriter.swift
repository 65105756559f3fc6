package import StorageBase

extension QCOWImage: CreatableImage {
    package static func validate(_ creation: ImageCreation) throws(StorageError) {
        _ = try header(creation)
    }

    package static func writer(
        _ creation: ImageCreation,
        to file: ImageFile,
        makeFile: (String) throws(StorageError) -> ImageFile
    ) throws(StorageError) -> any ImageWriter {
        QCOWWriter(try header(creation), compresses: creation.compression != nil, to: file)
    }

    private static func header(_ creation: ImageCreation) throws(StorageError) -> QCOWHeader {
        try creation.refuseOptions(backing: true, compression: true)
        if let compression = creation.compression, compression != .deflate {
            throw creation.unsupported("compression by \(compression.rawValue)")
        }
        var header = QCOWHeader()
        if let backing = creation.backing {
            guard !backing.name.isEmpty, backing.name.utf8.count <= QCOWHeader.maximumNameLength else {
                throw StorageError(
                    .invalidArgument,
                    "the name of backing file '\(backing.name.printable)' does not fit a qcow image",
                    hint: "it has from 1 to \(QCOWHeader.maximumNameLength) bytes"
                )
            }
            header.backingName = backing.name
            // As QEMU makes them: small clusters, of which little is copied when a guest writes.
            header.clusterBits = 9
            header.l2Bits = 12
        }
        guard creation.virtualSize > 0 else {
            throw StorageError(.invalidArgument, "an image of format 'qcow' cannot have 0 bytes: at least 1")
        }
        let limit = QCOWHeader.maximumL1EntryCount * header.l2Coverage
        guard creation.virtualSize <= limit else {
            throw creation.tooLarge(limit: limit, "with an L1 table of 2 GiB")
        }
        header.size = (creation.virtualSize + 511) / 512 * 512
        header.l1Offset = UInt64(header.bytes().count + 7) / 8 * 8
        return header
    }
}

/// A qcow image that is being made: clusters in the order in which they come, the L2 tables between them.
final class QCOWWriter: CompressingImageWriter {
    private let file: ImageFile
    private let header: QCOWHeader
    private let compresses: Bool
    private var l1: ImageTableWriter<UInt64>
    /// The L2 table that is being filled, by its L1 index.
    private var l2: (index: UInt64, table: ImageTableWriter<UInt64>)?
    /// The end of what is allocated.
    private var end: UInt64

    init(_ header: QCOWHeader, compresses: Bool, to file: ImageFile) {
        self.header = header
        self.file = file
        self.compresses = compresses
        l1 = ImageTableWriter(to: file, at: header.l1Offset, count: header.l1EntryCount, isBigEndian: true)
        end = header.l1Offset + header.l1EntryCount * 8
    }

    var unit: UInt64 { header.clusterSize }
    var codec: Codec? { compresses ? .deflate : nil }
    var compressesAll: Bool { false }

    func place(_ range: Range<UInt64>) throws(StorageError) -> [ImagePlace] {
        var places: [ImagePlace] = []
        var position = range.lowerBound
        while position < range.upperBound {
            try openL2(for: position)
            // As far as this L2 table goes.
            let limit = min(range.upperBound, (position / header.l2Coverage + 1) * header.l2Coverage)
            let offset = allocate((limit - position + unit - 1) / unit * unit)
            for guest in stride(from: position, to: limit, by: Int(unit)) {
                try set(guest, offset + (guest - position))
            }
            places.append(ImagePlace(position..<limit, in: file, at: offset))
            position = limit
        }
        return places
    }

    /// The format has no zero clusters: they are allocated, and nothing is written there.
    func zero(_ range: Range<UInt64>) throws(StorageError) {
        guard header.backingName != nil else { return }
        _ = try place(range)
    }

    func write(compressed bytes: [UInt8], at offset: UInt64) throws(StorageError) {
        try openL2(for: offset)
        // Not aligned: compressed clusters lie side by side.
        guard let entry = header.entry(compressedAt: end, length: UInt64(bytes.count)) else {
            throw StorageError(
                .invalidArgument,
                "a compressed cluster of \(bytes.count) bytes at byte \(end) does not fit a qcow image"
            )
        }
        try file.file.write(bytes, 0..<bytes.count, at: end)
        try set(offset, entry)
        end += UInt64(bytes.count)
    }

    /// Whole clusters, or a table, begin at a multiple of a cluster.
    private func allocate(_ length: UInt64) -> UInt64 {
        let offset = (end + unit - 1) / unit * unit
        end = offset + length
        return offset
    }

    private func set(_ guest: UInt64, _ entry: UInt64) throws(StorageError) {
        try l2?.table.set(guest % header.l2Coverage / unit, to: entry)
    }

    private func openL2(for guest: UInt64) throws(StorageError) {
        let index = guest / header.l2Coverage
        guard l2?.index != index else { return }
        try l2?.table.finish()
        let offset = allocate(header.l2EntryCount * 8)
        try l1.set(index, to: offset)
        l2 = (index, ImageTableWriter(to: file, at: offset, count: header.l2EntryCount, isBigEndian: true))
    }

    func finish() throws(StorageError) {
        try l2?.table.finish()
        try l1.finish()
        // As QEMU has it, the table ends with a sector.
        let tableEnd = header.l1Offset + (header.l1EntryCount * 8 + 511) / 512 * 512
        try file.file.setSize(ByteCount(max(end, tableEnd)))
        let bytes = header.bytes()
        try file.file.write(bytes, 0..<bytes.count, at: 0)
    }
}
