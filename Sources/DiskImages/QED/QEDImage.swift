package import StorageBase

/// A QEMU enhanced disk ("QED Image File Format", `docs/interop/qed_spec.rst` of QEMU); it is read only.
package final class QEDImage: DiskImage {
    package static var format: ImageFormat { .qed }

    package let file: ImageFile
    package let description: ImageDescription
    let header: QEDHeader
    let l1: ImageTable<UInt64>
    /// The L2 table that was read last, by its L1 index.
    private var l2: (index: UInt64, table: ImageTable<UInt64>)?

    package static func recognizes(head: [UInt8]) -> Bool {
        head.starts(with: [0x51, 0x45, 0x44, 0])
    }

    package static func describe(_ file: ImageFile) throws(StorageError) -> ImageDescription {
        try QEDHeader(file).imageDescription
    }

    package init(_ file: ImageFile, opener: ImageOpener) throws(StorageError) {
        let header = try QEDHeader(file)
        self.file = file
        self.header = header
        description = header.imageDescription
        l1 = try Self.table(header, file, at: header.l1Offset, namedAt: 40, "the L1 table")
    }

    private static func table(
        _ header: QEDHeader,
        _ file: ImageFile,
        at offset: UInt64,
        namedAt place: UInt64,
        _ name: String
    ) throws(StorageError) -> ImageTable<UInt64> {
        guard offset % header.clusterSize == 0, offset >= header.headerEnd else {
            throw file.damaged("\(name) lies at \(offset), which is no cluster behind the header", at: place)
        }
        return try ImageTable(file, at: offset, count: header.tableEntryCount, isBigEndian: false, name)
    }

    package func extent(at offset: UInt64) throws(StorageError) -> ImageExtent {
        let index = offset / header.l2Coverage
        if try l1.entry(at: index) == 0 {
            // Any other entry ends the extent.
            return try l1.extent(at: offset, unitSize: header.l2Coverage, end: virtualSize) { entry, _ in
                entry == 0 ? .unallocated : .zero
            }
        }
        let table = if let l2, l2.index == index { l2.table } else { try l2Table(index) }
        l2 = (index, table)
        return try table.extent(
            at: offset,
            start: index * header.l2Coverage,
            unitSize: header.clusterSize,
            end: virtualSize
        ) { (entry, number) throws(StorageError) in
            try unit(entry, at: table.place(of: number))
        }
    }

    /// The L2 table of an L1 entry that is not zero.
    func l2Table(_ index: UInt64) throws(StorageError) -> ImageTable<UInt64> {
        try Self.table(
            header,
            file,
            at: l1.entry(at: index),
            namedAt: l1.place(of: index),
            "the L2 table of L1 entry \(index)"
        )
    }

    /// - Parameter place: Where the entry lies in the file.
    func unit(_ entry: UInt64, at place: UInt64) throws(StorageError) -> ImageUnit {
        switch entry {
        case 0: return .unallocated
        case 1: return .zero
        default:
            guard entry % header.clusterSize == 0, entry >= header.headerEnd, entry < file.size else {
                throw file.damaged("a cluster lies at \(entry), which is no cluster of the file", at: place)
            }
            return .data(offset: entry)
        }
    }
}
