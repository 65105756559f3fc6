package import StorageBase

extension VPCImage {
    package func check(_ check: inout ImageCheck, cancellation: Cancellation) throws(StorageError) {
        if let damage = footers.damage { check.add(.corruption, damage.reason, at: damage.offset) }
        guard let header else {
            check.endOffset = ByteCount(virtualSize)
            return
        }
        let metadata = [
            0..<UInt64(VHDFooter.byteCount),
            header.offset..<header.offset + UInt64(VHDDynamicHeader.byteCount),
            header.tableOffset..<header.tableOffset + header.tableByteCount,
        ]
        for (number, range) in metadata.enumerated() {
            for other in metadata[..<number] where range.overlaps(other) {
                check.add(.corruption, "the header or the table overlaps another structure", at: range.lowerBound)
            }
        }
        let blocks = try checkTable(&check, header, metadata, cancellation: cancellation)
        try checkBlocks(blocks, &check, header, cancellation: cancellation)
        check.totalUnits = header.blockCount(for: virtualSize)
        let end = max(
            blocks.last.map { UInt64($0) * 512 + blockLength(header) } ?? 0,
            header.tableEnd(entryCount: UInt64(header.entryCount)),
            header.offset + UInt64(VHDDynamicHeader.byteCount)
        )
        check.endOffset = ByteCount(end)
        checkGap(end..<max(end, endOfBlocks), &check, header)
    }

    private func blockLength(_ header: VHDDynamicHeader) -> UInt64 { header.bitmapSize + UInt64(header.blockSize) }

    /// The footer, where blocks end.
    private var endOfBlocks: UInt64 {
        footers.endIsWhole ? file.size - UInt64(VHDFooter.byteCount) : file.size
    }

    /// The sectors at which blocks begin, in order.
    private func checkTable(
        _ check: inout ImageCheck,
        _ header: VHDDynamicHeader,
        _ metadata: [Range<UInt64>],
        cancellation: Cancellation
    ) throws(StorageError) -> [UInt32] {
        var blocks: [UInt32] = []
        let needed = header.blockCount(for: virtualSize)
        for page in 0..<(UInt64(header.entryCount) + Self.pageLength - 1) / Self.pageLength {
            try cancellation.check()
            for (index, entry) in try entries(page: page, header).enumerated()
            where entry != VHDDynamicHeader.unallocated {
                let block = page * Self.pageLength + UInt64(index)
                let place = UInt64(entry) * 512
                let range = place..<place + blockLength(header)
                if block >= needed {
                    check.add(.leak, "block \(block) is beyond the disk's end", at: place)
                } else {
                    check.allocatedUnits += 1
                }
                if range.upperBound > endOfBlocks {
                    check.add(.corruption, "block \(block) ends outside the file, or in its footer", at: place)
                } else if metadata.contains(where: range.overlaps) {
                    check.add(.corruption, "block \(block) overlaps the header or the table", at: place)
                } else {
                    blocks.append(entry)
                }
            }
        }
        blocks.sort()
        return blocks
    }

    private func checkBlocks(
        _ blocks: [UInt32],
        _ check: inout ImageCheck,
        _ header: VHDDynamicHeader,
        cancellation: Cancellation
    ) throws(StorageError) {
        for index in blocks.indices.dropFirst() {
            if index % 65536 == 0 { try cancellation.check() }
            let end = UInt64(blocks[index - 1]) * 512 + blockLength(header)
            let place = UInt64(blocks[index]) * 512
            if place < end {
                check.add(.corruption, "two blocks overlap", at: place)
            } else {
                checkGap(end..<place, &check, header)
            }
        }
    }

    /// Finds room for whole blocks that has none, unless the table lies there.
    private func checkGap(_ gap: Range<UInt64>, _ check: inout ImageCheck, _ header: VHDDynamicHeader) {
        let table = header.tableOffset..<header.tableOffset + header.tableByteCount
        let length = gap.upperBound - gap.lowerBound
        guard length >= blockLength(header), !gap.overlaps(table) else { return }
        check.add(.leak, "nothing refers to \(length) bytes", at: gap.lowerBound)
    }
}
