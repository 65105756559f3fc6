package import StorageBase

/// A QEMU image, version 1 ("The QCOW Image Format", McLoughlin 2006; `block/qcow.c` of QEMU).
package final class QCOWImage: DiskImage {
    package static var format: ImageFormat { .qcow }

    package let file: ImageFile
    package let description: ImageDescription
    let header: QCOWHeader
    let l1: ImageTable<UInt64>
    /// The L2 table that was read last, by its L1 index.
    private var l2: (index: UInt64, table: ImageTable<UInt64>)?

    package static func recognizes(head: [UInt8]) -> Bool {
        head.starts(with: [0x51, 0x46, 0x49, 0xFB, 0, 0, 0, 1])
    }

    package static func describe(_ file: ImageFile) throws(StorageError) -> ImageDescription {
        try QCOWHeader(file).imageDescription
    }

    package init(_ file: ImageFile, opener: ImageOpener) throws(StorageError) {
        let header = try QCOWHeader(file)
        self.file = file
        self.header = header
        description = header.imageDescription
        l1 = try ImageTable(
            file,
            at: header.l1Offset,
            count: header.l1EntryCount,
            isBigEndian: true,
            "the L1 table"
        )
    }

    package func extent(at offset: UInt64) throws(StorageError) -> ImageExtent {
        guard header.encryptionMethod == 0 else {
            throw StorageError(
                .notSupported,
                "'\(file.path)' is encrypted, and encrypted clusters cannot be read",
                context: StorageError.Context(path: file.path)
            )
        }
        let index = offset / header.l2Coverage
        if try l1.entry(at: index) == 0 {
            // Any other entry ends the extent.
            return try l1.extent(at: offset, unitSize: header.l2Coverage, end: virtualSize) { entry, _ in
                entry == 0 ? .unallocated : .data(offset: entry)
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
        let offset = try l1.entry(at: index)
        guard offset % 512 == 0 else {
            throw file.damaged("L1 entry \(index) does not point to a sector", at: l1.place(of: index))
        }
        return try ImageTable(
            file,
            at: offset,
            count: header.l2EntryCount,
            isBigEndian: true,
            "the L2 table of L1 entry \(index)"
        )
    }

    /// - Parameter place: Where the entry lies in the file.
    func unit(_ entry: UInt64, at place: UInt64) throws(StorageError) -> ImageUnit {
        guard entry != 0 else { return .unallocated }
        if entry & QCOWHeader.compressed != 0 {
            let cluster = header.compressedCluster(entry)
            guard cluster.length > 0, cluster.offset < file.size,
                cluster.length <= file.size - cluster.offset
            else {
                throw file.damaged(
                    "a compressed cluster of \(cluster.length) bytes lies at \(cluster.offset), outside the file",
                    at: place
                )
            }
            return .compressed(offset: cluster.offset, length: Int(cluster.length))
        }
        guard entry % 512 == 0, entry < file.size else {
            throw file.damaged("a cluster lies at \(entry), which is no sector of the file", at: place)
        }
        return .data(offset: entry)
    }
}
