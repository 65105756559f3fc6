package import StorageBase

extension QCOWImage {
    package func check(_ check: inout ImageCheck, cancellation: Cancellation) throws(StorageError) {
        let clusterCount = (virtualSize + header.clusterSize - 1) / header.clusterSize
        check.totalUnits = clusterCount
        var sectors = QCOWSectors(header: header, l1End: l1.end)
        var end = l1.end
        for index in 0..<l1.count {
            try cancellation.check()
            guard try l1.entry(at: index) != 0 else { continue }
            let table: ImageTable<UInt64>
            do throws(StorageError) {
                table = try l2Table(index)
            } catch {
                check.add(.corruption, error.message, at: l1.place(of: index))
                continue
            }
            // A table that is used twice is looked at once: else a small file could hold an endless disk.
            guard sectors.insert(plain: table.offset..<table.end) else {
                check.add(
                    .corruption,
                    "the L2 table of L1 entry \(index), at \(table.offset), overlaps what else is in the file",
                    at: l1.place(of: index)
                )
                continue
            }
            end = max(end, table.end)
            let first = index * header.l2EntryCount
            for number in 0..<min(table.count, clusterCount > first ? clusterCount - first : 0) {
                let entry = try table.entry(at: number)
                let place = table.place(of: number)
                let range: Range<UInt64>
                let isNew: Bool
                do throws(StorageError) {
                    switch try unit(entry, at: place) {
                    case .unallocated, .zero: continue
                    case .data(let offset):
                        range = offset..<offset + header.clusterSize
                        isNew = sectors.insert(plain: range)
                    case .compressed(let offset, let length):
                        range = offset..<offset + UInt64(length)
                        isNew = sectors.insert(compressed: range)
                    }
                } catch {
                    check.add(.corruption, error.message, at: place)
                    continue
                }
                if !isNew {
                    check.add(
                        .corruption,
                        "the cluster of guest offset \((first + number) * header.clusterSize), at \(range.lowerBound), "
                            + "overlaps what else is in the file",
                        at: place
                    )
                }
                check.allocatedUnits += 1
                end = max(end, range.upperBound)
            }
        }
        check.endOffset = ByteCount(end)
    }
}

/// The sectors of a qcow image that are in use.
private struct QCOWSectors {
    private let metadata: [Range<UInt64>]
    private var plain = UnitSet()
    /// Compressed clusters lie side by side: several may have parts of one sector.
    private var compressed = UnitSet()

    init(header: QCOWHeader, l1End: UInt64) {
        metadata = [0..<UInt64(QCOWHeader.length), min(header.l1Offset, l1End)..<l1End]
    }

    private func sectors(_ range: Range<UInt64>) -> Range<UInt64> {
        range.lowerBound / 512..<(range.upperBound - 1) / 512 + 1
    }

    private func isMetadata(_ range: Range<UInt64>) -> Bool {
        metadata.contains { $0.overlaps(range) }
    }

    /// - Returns: Whether nothing else is there.
    mutating func insert(plain range: Range<UInt64>) -> Bool {
        let sectors = sectors(range)
        let isNew = plain.insert(sectors)
        return isNew && !isMetadata(range) && !compressed.overlaps(sectors)
    }

    /// - Returns: Whether no plain cluster and no table is there.
    mutating func insert(compressed range: Range<UInt64>) -> Bool {
        let sectors = sectors(range)
        _ = compressed.insert(sectors)
        return !isMetadata(range) && !plain.overlaps(sectors)
    }
}
