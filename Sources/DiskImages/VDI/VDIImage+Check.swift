package import StorageBase

extension VDIImage {
    package func check(_ check: inout ImageCheck, cancellation: Cancellation) throws(StorageError) {
        check.totalUnits = header.blockCount
        if map.end > header.dataOffset {
            check.add(
                .corruption,
                "the block map up to \(map.end) overlaps the data from \(header.dataOffset) on",
                at: header.mapOffset
            )
        }
        var used = UnitSet()
        var end: UInt64 = 0
        for index in 0..<header.blockCount {
            if index % ImageTable<UInt32>.partLength == 0 { try cancellation.check() }
            let entry = try map.entry(at: index)
            let place = map.place(of: index)
            do throws(StorageError) {
                guard case .data = try unit(entry, index) else { continue }
            } catch {
                check.add(.corruption, error.message, at: place)
                continue
            }
            let number = UInt64(entry)
            if number >= header.blockCount {
                check.add(.corruption, "block \(index) has number \(number), of \(header.blockCount) blocks", at: place)
            }
            if !used.insert(number) {
                check.add(.corruption, "block \(index) has number \(number), as another one", at: place)
            }
            check.allocatedUnits += 1
            end = max(end, number + 1)
        }
        check.endOffset = ByteCount(header.dataOffset + end * VDIHeader.blockSize)
        if header.allocatedCount < end {
            check.add(
                .corruption,
                "the header counts \(header.allocatedCount) blocks in the file, which has \(end)",
                at: 388
            )
        }
        let unused = max(header.allocatedCount, end) - used.count
        if unused > 0 {
            check.add(.leak, count: unused, "nothing refers to \(unused) blocks in the file", at: 388)
        }
    }
}
