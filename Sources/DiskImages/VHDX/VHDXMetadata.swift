internal import StorageBase

/// What a VHDX file says of its disk ([MS-VHDX] 2.6).
struct VHDXMetadata {
    /// The table, and a place for the items.
    static let regionLength: UInt64 = 1 << 20
    static let maximumVirtualSize: UInt64 = 64 << 40
    static let blockSizes: ClosedRange<UInt64> = 1 << 20...256 << 20
    private static let itemsOffset = 64 << 10
    private static let maximumItemCount: UInt16 = 2047
    /// A locator has a handful of paths, each of a length that 16 bits hold.
    private static let maximumLocatorLength: UInt32 = 256 << 10
    private static let maximumLocatorEntryCount: UInt16 = 64
    /// In the order in which a parent is looked for ([MS-VHDX] 2.6.2.6.3).
    private static let pathKeys = ["relative_path", "volume_path", "absolute_win32_path"]

    private enum Item {
        static let fileParameters = MicrosoftGUID(0xCAA1_6737, 0xFA36, 0x4D43, 0xB3B6_33F0_AA44_E76B)
        static let virtualDiskSize = MicrosoftGUID(0x2FA5_4224, 0xCD1B, 0x4876, 0xB211_5DBE_D83B_F4B8)
        static let virtualDiskID = MicrosoftGUID(0xBECA_12AB, 0xB2E6, 0x4523, 0x93EF_C309_E000_C746)
        static let logicalSectorSize = MicrosoftGUID(0x8141_BF1D, 0xA96F, 0x4709, 0xBA47_F233_A8FA_AB5F)
        static let physicalSectorSize = MicrosoftGUID(0xCDA3_48C7, 0x445D, 0x4471, 0x9CC9_E988_5251_C556)
        static let parentLocator = MicrosoftGUID(0xA8D3_5F2D, 0xB30B, 0x454D, 0xABF7_D3D8_4834_AB0C)
        static let known: Set = [
            fileParameters, virtualDiskSize, virtualDiskID, logicalSectorSize, physicalSectorSize, parentLocator,
        ]
    }

    let blockSize: UInt64
    let isFixed: Bool
    let virtualSize: UInt64
    let logicalSectorSize: UInt64
    /// The image of which this one holds the differences.
    let parentName: String?
    /// Where in the file the virtual size is.
    let virtualSizeOffset: UInt64

    init(_ source: VHDXSource, _ region: Range<UInt64>) throws(StorageError) {
        let items = try Items(source, region)
        let parameters = try items.bytes(Item.fileParameters, count: 8, "the file parameters")
        blockSize = try UInt64(parameters.littleEndian(UInt32.self, at: 0))
        let flags = try parameters.littleEndian(UInt32.self, at: 4)
        isFixed = flags & 1 != 0
        virtualSize = try items.bytes(Item.virtualDiskSize, count: 8, "the virtual size")
            .littleEndian(
                UInt64.self,
                at: 0
            )
        virtualSizeOffset = try items.offset(of: Item.virtualDiskSize)
        logicalSectorSize = try UInt64(
            items.bytes(Item.logicalSectorSize, count: 4, "the sector size").littleEndian(UInt32.self, at: 0)
        )
        let file = source.file
        guard Self.blockSizes.contains(blockSize), blockSize & (blockSize - 1) == 0 else {
            throw try file.damaged(
                "a block of \(blockSize) bytes is no power of two between 1 MiB and 256 MiB",
                at: items.offset(of: Item.fileParameters)
            )
        }
        guard logicalSectorSize == 512 || logicalSectorSize == 4096 else {
            throw try file.damaged(
                "a sector of \(logicalSectorSize) bytes is neither 512 nor 4096",
                at: items.offset(of: Item.logicalSectorSize)
            )
        }
        guard virtualSize <= Self.maximumVirtualSize, virtualSize % logicalSectorSize == 0 else {
            throw file.damaged(
                "a disk of \(virtualSize) bytes is larger than 64 TiB, or ends inside a sector",
                at: virtualSizeOffset
            )
        }
        parentName = flags & 2 != 0 ? try Self.parentName(items, file) : nil
    }

    /// The table of the items, and where they are.
    private struct Items {
        private let source: VHDXSource
        private let region: Range<UInt64>
        /// The ranges of the items, in the region.
        private var items: [MicrosoftGUID: Range<UInt64>] = [:]

        init(_ source: VHDXSource, _ region: Range<UInt64>) throws(StorageError) {
            self.source = source
            self.region = region
            let base = region.lowerBound
            let file = source.file
            let header = try source.bytes(at: base, count: 32, "its metadata")
            guard header.starts(with: "metadata".utf8) else {
                throw file.damaged("its metadata has no signature", at: base)
            }
            let count = try header.littleEndian(UInt16.self, at: 10)
            guard count <= VHDXMetadata.maximumItemCount else {
                throw file.damaged("a table of \(count) items is larger than 2047", at: base + 10)
            }
            let table = try source.bytes(at: base + 32, count: Int(count) * 32, "its metadata")
            for entry in stride(from: 0, to: table.count, by: 32) {
                let guid = MicrosoftGUID(table, at: entry)
                let offset = try table.littleEndian(UInt32.self, at: entry + 16)
                let length = try table.littleEndian(UInt32.self, at: entry + 20)
                let flags = try table.littleEndian(UInt32.self, at: entry + 24)
                let place = base + 32 + UInt64(entry)
                guard Item.known.contains(guid) else {
                    if flags & 4 != 0 {
                        throw file.unsupported("it has metadata that must be known, and is not", at: place)
                    }
                    continue
                }
                guard offset >= VHDXMetadata.itemsOffset,
                    UInt64(offset) + UInt64(length) <= region.upperBound - base
                else {
                    throw file.damaged("an item of its metadata is outside of it", at: place)
                }
                // A change of one would be a change of the other.
                let range = UInt64(offset)..<UInt64(offset) + UInt64(length)
                guard !items.values.contains(where: { range.overlaps($0) }) else {
                    throw file.damaged("an item of its metadata overlaps another one", at: place)
                }
                guard items.updateValue(range, forKey: guid) == nil else {
                    throw file.damaged("an item of its metadata is there twice", at: place)
                }
            }
        }

        func item(_ guid: MicrosoftGUID) throws(StorageError) -> (offset: UInt64, length: UInt32) {
            guard let item = items[guid] else {
                throw source.file.damaged("its metadata lacks an item that must be there", at: region.lowerBound)
            }
            return (region.lowerBound + item.lowerBound, UInt32(item.upperBound - item.lowerBound))
        }

        func offset(of guid: MicrosoftGUID) throws(StorageError) -> UInt64 { try item(guid).offset }

        func bytes(_ guid: MicrosoftGUID, count: UInt32, _ what: String) throws(StorageError) -> [UInt8] {
            let item = try item(guid)
            guard item.length >= count else {
                throw source.file.damaged("\(what) has \(item.length) bytes, and not \(count)", at: item.offset)
            }
            return try source.bytes(at: item.offset, count: Int(count), what)
        }
    }

    /// The path by which the parent is looked for first.
    private static func parentName(_ items: Items, _ file: ImageFile) throws(StorageError) -> String {
        let (offset, length) = try items.item(Item.parentLocator)
        guard length >= 20, length <= maximumLocatorLength else {
            throw file.damaged("a parent locator of \(length) bytes is not between 20 bytes and 256 KiB", at: offset)
        }
        let bytes = try items.bytes(Item.parentLocator, count: length, "the parent locator")
        let count = try bytes.littleEndian(UInt16.self, at: 18)
        guard count <= maximumLocatorEntryCount else {
            throw file.damaged("a parent locator has \(count) entries, more than 64", at: offset)
        }
        var paths: [String: String] = [:]
        for entry in stride(from: 20, to: 20 + Int(count) * 12, by: 12) {
            let key = try text(bytes, at: entry, lengthAt: entry + 8, file, offset)
            guard pathKeys.contains(key), paths[key] == nil else { continue }
            paths[key] = try text(bytes, at: entry + 4, lengthAt: entry + 10, file, offset)
        }
        for key in pathKeys {
            if let path = paths[key], !path.isEmpty { return path.withSlashes }
        }
        throw file.damaged("its parent locator has no path", at: offset)
    }

    private static func text(
        _ bytes: [UInt8],
        at field: Int,
        lengthAt lengthField: Int,
        _ file: ImageFile,
        _ offset: UInt64
    ) throws(StorageError) -> String {
        let start = Int(try bytes.littleEndian(UInt32.self, at: field))
        let length = Int(try bytes.littleEndian(UInt16.self, at: lengthField))
        guard start <= bytes.count, length <= bytes.count - start,
            let text = String(utf16: bytes[start..<start + length], isBigEndian: false)
        else {
            throw file.damaged("its parent locator has something that is no UTF-16", at: offset + UInt64(field))
        }
        return text
    }

    /// The metadata of a new disk.
    static func region(virtualSize: UInt64, blockSize: UInt64, isFixed: Bool) -> [UInt8] {
        var parameters = [UInt8](repeating: 0, count: 8)
        parameters.store(littleEndian: UInt32(blockSize), at: 0)
        parameters.store(littleEndian: (isFixed ? 1 : 0) as UInt32, at: 4)
        var size = [UInt8](repeating: 0, count: 8)
        size.store(littleEndian: virtualSize, at: 0)
        // Required, and of the disk or of the file.
        let items: [(guid: MicrosoftGUID, bytes: [UInt8], flags: UInt32)] = [
            (Item.fileParameters, parameters, 4),
            (Item.virtualDiskSize, size, 6),
            (Item.virtualDiskID, MicrosoftGUID.random().bytes, 6),
            (Item.logicalSectorSize, [0, 2, 0, 0], 6),
            // What Hyper-V gives its disks, so that guests align their data.
            (Item.physicalSectorSize, [0, 16, 0, 0], 6),
        ]
        var bytes = [UInt8](repeating: 0, count: itemsOffset + 64)
        bytes.store("metadata".utf8, at: 0)
        bytes.store(littleEndian: UInt16(items.count), at: 10)
        var offset = itemsOffset
        for (index, item) in items.enumerated() {
            let entry = 32 + index * 32
            bytes.store(item.guid.bytes, at: entry)
            bytes.store(littleEndian: UInt32(offset), at: entry + 16)
            bytes.store(littleEndian: UInt32(item.bytes.count), at: entry + 20)
            bytes.store(littleEndian: item.flags, at: entry + 24)
            bytes.store(item.bytes, at: offset)
            offset += item.bytes.count
        }
        return bytes
    }
}
