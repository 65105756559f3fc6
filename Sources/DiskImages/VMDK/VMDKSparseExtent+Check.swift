internal import StorageBase

extension VMDKSparseExtent {
    func check(_ check: inout ImageCheck, cancellation: Cancellation) throws(StorageError) {
        check.totalUnits = (check.totalUnits ?? 0) + header.grainCount
        let redundant = redundantDirectory(&check)
        var used = VMDKSectorRuns()
        used.add(0, count: 1)
        used.add(header.descriptorOffset, count: header.descriptorOffset == 0 ? 0 : header.descriptorSectors)
        used.add(header.directoryOffset, count: header.directorySectors)
        if redundant != nil { used.add(header.redundantDirectoryOffset, count: header.directorySectors) }
        let tables = tables(directory, "grain table", &used, &check)
        let copies = redundant.map { self.tables($0, "redundant grain table", &used, &check) }
        var isSound = true
        used.findOverlaps { start in
            isSound = false
            check.add(
                .corruption,
                "the header, the descriptor or a table at sector \(start) overlaps another",
                at: start * VMDKHeader.sectorSize
            )
        }
        // Tables that share their place would have their grains counted again and again.
        guard isSound else { return }
        for index in tables.indices {
            try cancellation.check()
            guard let sector = tables[index] else { continue }
            let entries = try entries(at: sector, of: index)
            if let copies, let copy = copies[index] {
                let count = entryCount(of: index)
                if try self.entries(at: copy, of: index)[..<count] != entries[..<count] {
                    check.add(
                        .corruption,
                        "the redundant copy of grain table \(index) differs",
                        at: UInt64(copy) * VMDKHeader.sectorSize
                    )
                }
            }
            try checkGrains(entries, of: index, &used, &check)
        }
        used.findOverlaps { start in
            check.add(
                .corruption,
                "the grain or table at sector \(start) overlaps another",
                at: start * VMDKHeader.sectorSize
            )
        }
        check.endOffset = max(check.endOffset, ByteCount(used.end * VMDKHeader.sectorSize))
        // What lies between the compressed grains is markers and padding.
        if !header.isCompressed { findLeaks(used, &check) }
    }

    /// The second directory; nil where there is none, or none that can be read.
    private func redundantDirectory(_ check: inout ImageCheck) -> [UInt32]? {
        guard header.hasRedundantTables else { return nil }
        do throws(StorageError) {
            return try Self.directory(at: header.redundantDirectoryOffset, file, header)
        } catch {
            check.add(.corruption, "the redundant grain directory cannot be read", at: 48)
            return nil
        }
    }

    /// The tables' sectors, nil where there is no table or it lies outside the file.
    private func tables(
        _ directory: [UInt32],
        _ name: String,
        _ used: inout VMDKSectorRuns,
        _ check: inout ImageCheck
    ) -> [UInt32?] {
        let length = UInt64(header.entriesPerTable) * 4
        var tables: [UInt32?] = []
        tables.reserveCapacity(directory.count)
        for (index, sector) in directory.enumerated() {
            let offset = UInt64(sector) * VMDKHeader.sectorSize
            if sector == 0 {
                tables.append(nil)
            } else if offset > file.size || length > file.size - offset {
                check.add(.corruption, "\(name) \(index) at sector \(sector) lies outside the file", at: offset)
                tables.append(nil)
            } else {
                used.add(UInt64(sector), count: header.tableSectors)
                tables.append(sector)
            }
        }
        return tables
    }

    private func checkGrains(
        _ entries: [UInt32],
        of index: Int,
        _ used: inout VMDKSectorRuns,
        _ check: inout ImageCheck
    ) throws(StorageError) {
        let start = UInt64(index) * header.tableCoverage
        for number in 0..<entryCount(of: index) where grain(entries[number]) == .data {
            check.allocatedUnits += 1
            let guest = start + UInt64(number) * header.grainSize
            let sector = UInt64(entries[number])
            let offset = sector * VMDKHeader.sectorSize
            // Of the last grain no more need be there than the disk has.
            var length = min(header.grainSize, header.virtualSize - guest)
            if header.isCompressed {
                guard let found = try compressedLength(at: offset, guest, &check) else { continue }
                length = found
            }
            guard offset <= file.size, length <= file.size - offset else {
                check.add(
                    .corruption,
                    "the grain of guest offset \(guest) at sector \(sector) lies outside the file",
                    at: offset
                )
                continue
            }
            used.add(sector, count: header.isCompressed ? VMDKHeader.sectors(of: length) : header.grainSectors)
        }
    }

    /// The bytes of a compressed grain with its marker; nil where the marker is wrong.
    private func compressedLength(at offset: UInt64, _ guest: UInt64, _ check: inout ImageCheck) throws(StorageError)
        -> UInt64?
    {
        // Without markers nothing tells how long a grain is.
        guard header.hasMarkers else { return 1 }
        guard offset <= file.size, file.size - offset >= UInt64(VMDKMarker.grainByteCount) else { return .max }
        let marker = try marker(at: offset)
        guard marker.value == guest / VMDKHeader.sectorSize, marker.size > 0, marker.size <= 2 * header.grainSize else {
            check.add(
                .corruption,
                "the marker of the grain of guest offset \(guest) is of sector \(marker.value), with \(marker.size) bytes",
                at: offset
            )
            return nil
        }
        return UInt64(VMDKMarker.grainByteCount) + UInt64(marker.size)
    }

    private func findLeaks(_ used: VMDKSectorRuns, _ check: inout ImageCheck) {
        used.forEachGap(in: header.overhead..<max(header.overhead, file.size / VMDKHeader.sectorSize)) { start, count in
            for number in 0..<count / header.grainSectors {
                check.add(
                    .leak,
                    "nothing refers to the grain at sector \(start + number * header.grainSectors)",
                    at: (start + number * header.grainSectors) * VMDKHeader.sectorSize
                )
            }
        }
    }
}
