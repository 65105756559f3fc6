package import StorageBase

extension QEDImage {
    package func check(_ check: inout ImageCheck, cancellation: Cancellation) throws(StorageError) {
        let size = header.clusterSize
        let clusterCount = virtualSize / size + (virtualSize % size == 0 ? 0 : 1)
        check.totalUnits = clusterCount
        /// The clusters of the file that are in use.
        var used = UnitSet()
        var end = l1.end
        _ = used.insert(l1.offset / size..<l1.end / size)
        // As QEMU does, also those beyond the disk's end.
        for index in 0..<l1.count {
            if index % ImageTable<UInt64>.partLength == 0 { try cancellation.check() }
            guard try l1.entry(at: index) != 0 else { continue }
            let table: ImageTable<UInt64>
            do throws(StorageError) {
                table = try l2Table(index)
            } catch {
                check.add(.corruption, error.message, at: l1.place(of: index))
                continue
            }
            // A table that is used twice is looked at once: else a small file could hold an endless disk.
            guard used.insert(table.offset / size..<table.end / size) else {
                check.add(
                    .corruption,
                    "the L2 table of L1 entry \(index), at \(table.offset), overlaps what else is in the file",
                    at: l1.place(of: index)
                )
                continue
            }
            end = max(end, table.end)
            let first = index * header.tableEntryCount
            for number in 0..<table.count {
                if number % ImageTable<UInt64>.partLength == 0 { try cancellation.check() }
                let entry = try table.entry(at: number)
                let place = table.place(of: number)
                do throws(StorageError) {
                    guard case .data(let offset) = try unit(entry, at: place) else { continue }
                    if !used.insert(offset / size) {
                        check.add(
                            .corruption,
                            "cluster \(first + number), at \(offset), "
                                + "is used for something else too",
                            at: place
                        )
                    }
                    check.allocatedUnits += 1
                    end = max(end, offset + size)
                } catch {
                    check.add(.corruption, error.message, at: place)
                }
            }
        }
        check.endOffset = ByteCount(end)
        // Bytes behind the last whole cluster are not the image's.
        guard header.headerClusters < file.size / size else { return }
        used.forEachGap(in: header.headerClusters..<file.size / size) { gap in
            check.add(
                .leak,
                count: UInt64(gap.count),
                "nothing refers to the \(gap.count) clusters from \(gap.lowerBound * size) on",
                at: gap.lowerBound * size
            )
        }
    }
}
