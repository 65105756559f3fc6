package import StorageBase

/// A Parallels image ("Parallels Expandable Image File Format", `docs/interop/parallels.txt` of QEMU); it is read only.
///
/// What a format extension adds, dirty bitmaps, says nothing of the content, and is passed over.
package final class ParallelsImage: DiskImage {
    package static var format: ImageFormat { .parallels }

    package let file: ImageFile
    package let description: ImageDescription
    let header: ParallelsHeader
    let table: ImageTable<UInt32>

    package static func recognizes(head: [UInt8]) -> Bool {
        head.starts(with: ParallelsHeader.signature)
            || head.starts(with: ParallelsHeader.extendedSignature)
    }

    package static func describe(_ file: ImageFile) throws(StorageError) -> ImageDescription {
        try ParallelsHeader(file).imageDescription
    }

    package init(_ file: ImageFile, opener: ImageOpener) throws(StorageError) {
        let header = try ParallelsHeader(file)
        self.file = file
        self.header = header
        description = header.imageDescription
        table = try ImageTable(
            file,
            at: ParallelsHeader.length,
            count: header.entryCount,
            isBigEndian: false,
            "the block allocation table"
        )
    }

    package func extent(at offset: UInt64) throws(StorageError) -> ImageExtent {
        let described = header.entryCount * header.clusterSize
        // QEMU reads zeros where the table has no entries.
        guard offset < described else { return ImageExtent(described..<virtualSize, .unallocated) }
        return try table.extent(
            at: offset,
            unitSize: header.clusterSize,
            end: virtualSize
        ) { (entry, index) throws(StorageError) in
            try unit(entry, index)
        }
    }

    func unit(_ entry: UInt32, _ index: UInt64) throws(StorageError) -> ImageUnit {
        guard entry != 0 else { return .unallocated }
        let offset = UInt64(entry) * header.entryUnit
        guard offset >= table.end, offset < file.size else {
            throw file.damaged(
                "cluster \(index) lies at \(offset), outside of the file's data",
                at: table.place(of: index)
            )
        }
        return .data(offset: offset)
    }
}
