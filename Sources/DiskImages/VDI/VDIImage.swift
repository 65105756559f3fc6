package import StorageBase

/// A VirtualBox image (`VDICore.h` of VirtualBox; `block/vdi.c` of QEMU).
package final class VDIImage: DiskImage {
    package static var format: ImageFormat { .vdi }

    package let file: ImageFile
    package let description: ImageDescription
    let header: VDIHeader
    let map: ImageTable<UInt32>

    package static func recognizes(head: [UInt8]) -> Bool {
        head.count >= 68 && head[64..<68].elementsEqual([0x7F, 0x10, 0xDA, 0xBE])
    }

    package static func describe(_ file: ImageFile) throws(StorageError) -> ImageDescription {
        try VDIHeader(file).imageDescription
    }

    package init(_ file: ImageFile, opener: ImageOpener) throws(StorageError) {
        let header = try VDIHeader(file)
        self.file = file
        self.header = header
        description = header.imageDescription
        map = try ImageTable(
            file,
            at: header.mapOffset,
            count: header.blockCount,
            isBigEndian: false,
            "the block map"
        )
    }

    package func extent(at offset: UInt64) throws(StorageError) -> ImageExtent {
        try map.extent(
            at: offset,
            unitSize: VDIHeader.blockSize,
            end: virtualSize
        ) { (entry, index) throws(StorageError) in
            try unit(entry, index)
        }
    }

    func unit(_ entry: UInt32, _ index: UInt64) throws(StorageError) -> ImageUnit {
        switch entry {
        case VDIHeader.Entry.unallocated: return .unallocated
        case VDIHeader.Entry.discarded: return .zero
        default:
            let offset = header.dataOffset + UInt64(entry) * VDIHeader.blockSize
            guard offset < file.size else {
                throw file.damaged("block \(index) lies at \(offset), outside the file", at: map.place(of: index))
            }
            return .data(offset: offset)
        }
    }
}
