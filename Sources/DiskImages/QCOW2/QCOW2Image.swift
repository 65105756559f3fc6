package import StorageBase

/// A QEMU image, version 2 or 3 ("The qcow2 image format", `docs/interop/qcow2.txt` of QEMU).
package final class QCOW2Image: DiskImage {
    package static var format: ImageFormat { .qcow2 }

    package let file: ImageFile
    package let description: ImageDescription
    let header: QCOW2Header
    let l1: [UInt64]
    private let dataFile: ImageFile
    /// The L2 table that was read last, by its L1 index.
    private var l2: (index: Int, entries: [UInt64])?

    static let copied: UInt64 = 1 << 63
    static let compressed: UInt64 = 1 << 62
    static let zero: UInt64 = 1
    static let offsetMask: UInt64 = 0x00FF_FFFF_FFFF_FE00

    package static func recognizes(head: [UInt8]) -> Bool {
        // Version 1 is another format.
        head.count >= 8 && head.starts(with: [0x51, 0x46, 0x49, 0xFB]) && !head[4..<8].elementsEqual([0, 0, 0, 1])
    }

    package static func describe(_ file: ImageFile) throws(StorageError) -> ImageDescription {
        try QCOW2Header(file).imageDescription
    }

    package init(_ file: ImageFile, opener: ImageOpener) throws(StorageError) {
        let header = try QCOW2Header(file)
        self.file = file
        self.header = header
        description = header.imageDescription
        l1 = try Self.l1(header, file)
        if header.hasDataFile {
            guard let name = header.dataFileName else {
                throw file.damaged("its data is in another file, which it does not name", at: 72)
            }
            dataFile = try opener.open(name, namedBy: file)
        } else {
            dataFile = file
        }
    }

    private static func l1(_ header: QCOW2Header, _ file: ImageFile) throws(StorageError) -> [UInt64] {
        guard UInt64(header.l1EntryCount) * 8 <= QCOW2Header.maximumL1ByteCount else {
            throw file.damaged("an L1 table of \(header.l1EntryCount) entries is larger than 32 MiB", at: 36)
        }
        guard UInt64(header.l1EntryCount) >= header.l1EntryCount(for: header.virtualSize) else {
            throw file.damaged(
                "an L1 table of \(header.l1EntryCount) entries is too small for \(header.virtualSize) bytes",
                at: 36
            )
        }
        guard header.l1Offset % header.clusterSize == 0 else {
            throw file.damaged("the L1 table does not begin at a cluster", at: 40)
        }
        return try file.table(
            at: header.l1Offset,
            count: Int(header.l1EntryCount),
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
        let index = Int(offset / header.l2Coverage)
        let start = UInt64(index) * header.l2Coverage
        let end = min(start + header.l2Coverage, header.virtualSize)
        guard let entries = try l2Table(index) else { return ImageExtent(start..<end, .unallocated) }
        return try header.extendedL2
            ? subclusterExtent(at: offset, start: start, end: end, entries)
            : clusterExtent(at: offset, start: start, end: end, entries)
    }

    /// Nil where there is none: all of it is unallocated.
    private func l2Table(_ index: Int) throws(StorageError) -> [UInt64]? {
        if let l2, l2.index == index { return l2.entries }
        let offset = l1[index] & Self.offsetMask
        guard offset != 0 else { return nil }
        guard offset % header.clusterSize == 0 else {
            throw file.damaged(
                "L1 entry \(index) does not point to a cluster",
                at: header.l1Offset + UInt64(index) * 8
            )
        }
        let entries = try file.table(
            at: offset,
            count: Int(header.clusterSize / 8),
            isBigEndian: true,
            "the L2 table of L1 entry \(index)"
        )
        l2 = (index, entries)
        return entries
    }

    private enum Cluster: Equatable {
        case unallocated
        case zero
        case data(UInt64)
        case compressed(UInt64)
    }

    private func cluster(_ entry: UInt64, at guestOffset: UInt64) throws(StorageError) -> Cluster {
        if entry & Self.compressed != 0 { return .compressed(entry) }
        // With extended entries the bit is reserved, and the bitmap says what is zero.
        if !header.extendedL2, header.version == 3, entry & Self.zero != 0 { return .zero }
        let offset = entry & Self.offsetMask
        // In a data file of its own the first cluster can be data.
        guard offset != 0 || header.hasDataFile && entry & Self.copied != 0 else { return .unallocated }
        guard offset % header.clusterSize == 0, offset < dataFile.size else {
            throw file.damaged(
                "the cluster of guest offset \(guestOffset) lies at \(offset), outside the file",
                at: offset
            )
        }
        return .data(offset)
    }

    private func compressedExtent(_ entry: UInt64, _ range: Range<UInt64>) -> ImageExtent {
        let shift = 62 - UInt64(header.clusterBits - 8)
        let offset = entry & ((1 << shift) - 1)
        let sectors = (entry & ~(Self.copied | Self.compressed)) >> shift + 1
        return ImageExtent(
            range,
            .compressed(
                CompressedData(
                    file: file,
                    offset: offset,
                    length: Int(sectors * 512 - offset % 512),
                    codec: header.codec
                )
            )
        )
    }

    private func clusterExtent(
        at offset: UInt64,
        start: UInt64,
        end: UInt64,
        _ entries: [UInt64]
    ) throws(StorageError) -> ImageExtent {
        let size = header.clusterSize
        let first = (offset - start) / size
        let begin = start + first * size
        let kind = try cluster(entries[Int(first)], at: begin)
        if case .compressed(let entry) = kind { return compressedExtent(entry, begin..<min(begin + size, end)) }
        var next = begin + size
        while next < end {
            let following = try cluster(entries[Int((next - start) / size)], at: next)
            let expected: Cluster = if case .data(let place) = kind { .data(place + (next - begin)) } else { kind }
            guard following == expected else { break }
            next += size
        }
        return ImageExtent(begin..<min(next, end), content(kind))
    }

    private func content(_ cluster: Cluster) -> ImageExtent.Content {
        switch cluster {
        case .unallocated, .compressed: .unallocated
        case .zero: .zero
        case .data(let offset): .data(dataFile, offset: offset)
        }
    }

    /// A cluster has 32 parts, each allocated, zero or neither.
    private func subclusterExtent(
        at offset: UInt64,
        start: UInt64,
        end: UInt64,
        _ entries: [UInt64]
    ) throws(StorageError) -> ImageExtent {
        let size = header.clusterSize
        let part = size / 32
        let index = (offset - start) / size
        let begin = start + index * size
        let cluster = try cluster(entries[Int(index) * 2], at: begin)
        if case .compressed(let entry) = cluster { return compressedExtent(entry, begin..<min(begin + size, end)) }
        let bitmap = entries[Int(index) * 2 + 1]
        func kind(_ number: UInt64) throws(StorageError) -> Cluster {
            if bitmap >> (32 + number) & 1 != 0 { return .zero }
            guard bitmap >> number & 1 != 0 else { return .unallocated }
            guard case .data(let place) = cluster else {
                throw file.damaged(
                    "guest offset \(begin) is allocated without a cluster",
                    at: l1[Int(start / header.l2Coverage)] & Self.offsetMask
                )
            }
            return .data(place + number * part)
        }
        let first = (offset - begin) / part
        let found = try kind(first)
        var next = first + 1
        while next < 32 {
            let expected: Cluster =
                if case .data(let place) = found { .data(place + (next - first) * part) } else { found }
            guard try kind(next) == expected else { break }
            next += 1
        }
        let range = begin + first * part..<min(begin + next * part, end)
        return ImageExtent(range, content(found))
    }
}
