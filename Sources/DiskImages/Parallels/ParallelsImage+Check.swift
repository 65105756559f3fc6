package import StorageBase

extension ParallelsImage {
    package func check(_ check: inout ImageCheck, cancellation: Cancellation) throws(StorageError) {
        if header.isInUse {
            check.add(.corruption, "the image was not closed by its last writer", at: 44)
        }
        let clusterCount =
            virtualSize / header.clusterSize + (virtualSize % header.clusterSize == 0 ? 0 : 1)
        check.totalUnits = clusterCount
        if header.entryCount < clusterCount {
            check.add(
                .corruption,
                "a table of \(header.entryCount) entries is too small for \(clusterCount) clusters",
                at: 32
            )
        }
        /// The entries that are in use; they need the memory that the table has.
        var used: [UInt32] = []
        for index in 0..<header.entryCount {
            if index % ImageTable<UInt32>.partLength == 0 { try cancellation.check() }
            let entry = try table.entry(at: index)
            do throws(StorageError) {
                guard case .data(let offset) = try unit(entry, index) else { continue }
                if header.dataOffset > offset
                    || header.isExtended && (offset - header.dataOffset) % header.clusterSize != 0
                {
                    check.add(
                        .corruption,
                        "cluster \(index), at \(offset), is no cluster of the data that begins at \(header.dataOffset)",
                        at: table.place(of: index)
                    )
                }
                used.append(entry)
            } catch {
                check.add(.corruption, error.message, at: table.place(of: index))
            }
        }
        check.allocatedUnits = UInt64(used.count)
        used.sort()
        try cancellation.check()
        for (entry, next) in zip(used, used.dropFirst())
        where UInt64(next - entry) * header.entryUnit < header.clusterSize {
            let offset = UInt64(next) * header.entryUnit
            check.add(.corruption, "the cluster at \(offset) overlaps another one", at: offset)
        }
        let end =
            used.last.map { UInt64($0) * header.entryUnit + header.clusterSize } ?? header.dataOffset
        check.endOffset = ByteCount(end)
        // A format extension has clusters of its own, which only those who know it find.
        if file.size > end, !header.hasExtension {
            check.add(
                .leak,
                count: (file.size - end - 1) / header.clusterSize + 1,
                "nothing refers to the \(file.size - end) bytes at the file's end",
                at: end
            )
        }
    }
}
