package import StorageBase

extension VHDXImage {
    /// Marks, in the lowest bit of an offset, what is a sector bitmap.
    private static let isBitmap: UInt64 = 1

    package func check(_ check: inout ImageCheck, cancellation: Cancellation) throws(StorageError) {
        if layout.headers.otherIsDamaged {
            check.add(
                .corruption,
                "one of its two headers is damaged",
                at: VHDXHeader.offsets[1 - layout.headers.index]
            )
        }
        for copy in layout.regions.damagedCopies {
            check.add(
                .corruption,
                "one of its two region tables is damaged, or differs",
                at: VHDXRegionTable.offsets[copy]
            )
        }
        var end = layout.reserved.map(\.upperBound).max() ?? 0
        let places = try checkTable(&check, cancellation: cancellation)
        for index in places.indices {
            if index % 65536 == 0 { try cancellation.check() }
            let start = places[index] & VHDXTable.offsetMask
            if index > 0 {
                let previous = placeEnd(places[index - 1])
                if start < previous {
                    check.add(.corruption, "two blocks overlap", at: start)
                } else {
                    checkGap(previous..<start, &check)
                }
            }
            end = max(end, placeEnd(places[index]))
        }
        if let last = places.last, placeEnd(last) < file.size { checkGap(placeEnd(last)..<file.size, &check) }
        check.totalUnits = layout.table.blockCount(for: virtualSize)
        check.endOffset = ByteCount(end)
    }

    private func placeEnd(_ place: UInt64) -> UInt64 {
        let length = place & Self.isBitmap == 0 ? layout.table.blockSize : VHDXTable.bitmapSize
        // An entry's offset may be the largest that there is.
        return (place & VHDXTable.offsetMask).addingReportingOverflow(length).overflow
            ? .max : (place & VHDXTable.offsetMask) + length
    }

    /// Where blocks and sector bitmaps are, in order.
    private func checkTable(_ check: inout ImageCheck, cancellation: Cancellation) throws(StorageError) -> [UInt64] {
        var places: [UInt64] = []
        let total = layout.table.entryCount(for: virtualSize)
        let blocks = layout.table.blockCount(for: virtualSize)
        let reserved = layout.reserved
        for page in 0..<(total + Self.pageLength - 1) / Self.pageLength {
            try cancellation.check()
            for (index, entry) in try entries(page: page).enumerated() {
                let number = page * Self.pageLength + UInt64(index)
                let block = layout.table.block(of: number)
                guard isPresent(entry, block: block, number, &check) else { continue }
                let start = entry & VHDXTable.offsetMask
                let place = block == nil ? start | Self.isBitmap : start
                let end = placeEnd(place)
                if let block, block >= blocks {
                    check.add(.leak, "block \(block) is beyond the disk's end", at: start)
                } else if block != nil {
                    check.allocatedUnits += 1
                }
                // The last block may end with the disk.
                let rest = block.map { virtualSize - min($0 * layout.table.blockSize, virtualSize) } ?? .max
                if min(end, start.addingReportingOverflow(rest).overflow ? .max : start + rest) > file.size {
                    check.add(.corruption, "what entry \(number) refers to ends outside the file", at: start)
                } else if reserved.contains(where: (start..<end).overlaps) {
                    check.add(.corruption, "what entry \(number) refers to overlaps the structures", at: start)
                } else {
                    places.append(place)
                }
            }
        }
        places.sort()
        return places
    }

    /// Whether an entry refers to a place in the file.
    private func isPresent(_ entry: UInt64, block: UInt64?, _ number: UInt64, _ check: inout ImageCheck) -> Bool {
        let state = entry & VHDXTable.State.mask
        let isDifferencing = layout.table.isDifferencing
        let isKnown =
            switch state {
            case VHDXTable.State.notPresent: true
            case VHDXTable.State.fullyPresent: block != nil || isDifferencing
            case VHDXTable.State.partiallyPresent: block != nil && isDifferencing
            case 4: false
            default: block != nil
            }
        if !isKnown {
            check.add(
                .corruption,
                "entry \(number) of the block allocation table has state \(state), which it cannot have",
                at: layout.regions.table.lowerBound + number * 8
            )
        }
        return isKnown && (state == VHDXTable.State.fullyPresent || state == VHDXTable.State.partiallyPresent)
    }

    /// Finds room for whole blocks that has none.
    private func checkGap(_ gap: Range<UInt64>, _ check: inout ImageCheck) {
        let length = gap.upperBound - gap.lowerBound
        guard length >= layout.table.blockSize, !layout.reserved.contains(where: gap.overlaps) else { return }
        check.add(.leak, "nothing refers to \(length) bytes", at: gap.lowerBound)
    }
}
