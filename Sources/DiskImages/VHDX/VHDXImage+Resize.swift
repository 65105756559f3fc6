package import StorageBase

extension VHDXImage: ResizableImage {
    package func validateResize(to size: UInt64) throws(StorageError) {
        guard size <= VHDXMetadata.maximumVirtualSize else {
            throw refusal(.invalidArgument, "a VHDX image has at most \(VHDXMetadata.maximumVirtualSize) bytes")
        }
        if layout.table.isDifferencing {
            throw refusal(.notSupported, "a differencing disk has the size of its parent")
        }
        if description.isDirty {
            throw refusal(
                .notSupported,
                "its log is to be replayed first",
                hint: "start the machine to which it belongs, or copy it to a new image"
            )
        }
        if description.isCorrupt {
            throw refusal(.damagedImage, "one of its structures is damaged", hint: "copy it to a new image")
        }
        // The size is changed with a single write of one sector, which is whole or not at all.
        guard layout.metadata.virtualSizeOffset % 512 <= 504 else {
            throw refusal(.notSupported, "the place of its size cannot be written to at once")
        }
        let size = wholeSectors(size)
        let kept = layout.table.blockCount(for: size)
        let count = layout.table.blockCount(for: virtualSize)
        guard kept < count else { return }
        for block in kept..<count where try isPresent(block) {
            throw refusal(
                .invalidArgument,
                "the block of guest offset \(block * layout.table.blockSize) holds data beyond \(size) bytes"
            )
        }
    }

    private func refusal(_ code: StorageError.Code, _ reason: String, hint: String? = nil) -> StorageError {
        let context = StorageError.Context(path: file.path)
        return StorageError(code, "'\(file.path)' cannot be resized: \(reason)", hint: hint, context: context)
    }

    private func wholeSectors(_ size: UInt64) -> UInt64 {
        (size + layout.metadata.logicalSectorSize - 1) / layout.metadata.logicalSectorSize
            * layout.metadata.logicalSectorSize
    }

    private func isPresent(_ block: UInt64) throws(StorageError) -> Bool {
        // Of an image that is not a differencing one, no other state has a place.
        try entry(layout.table.entry(of: block)) & VHDXTable.State.mask == VHDXTable.State.fullyPresent
    }

    package func resize(to size: UInt64, cancellation: Cancellation) throws(StorageError) {
        try validateResize(to: size)
        let size = wholeSectors(size)
        guard size != virtualSize else { return }
        try updateHeaders()
        if size > virtualSize {
            try grow(to: size, cancellation: cancellation)
        } else {
            try writeVirtualSize(size)
            if let rest = try restOfLastBlock(size) {
                try file.writeZeros(rest.clamped(to: 0..<file.size), cancellation: cancellation)
                try file.file.synchronizeData()
            }
        }
    }

    /// Gives the file and its content new identifiers, as must be before a change ([MS-VHDX] 2.2.2): at every moment one of the
    /// two headers is whole.
    private func updateHeaders() throws(StorageError) {
        let fileWrite = MicrosoftGUID.random()
        let dataWrite = MicrosoftGUID.random()
        var header = layout.headers.current
        for index in [1 - layout.headers.index, layout.headers.index] {
            header.advance(fileWrite: fileWrite, dataWrite: dataWrite)
            try write(header.bytes, at: VHDXHeader.offsets[index])
        }
    }

    private func write(_ bytes: [UInt8], at offset: UInt64) throws(StorageError) {
        try file.file.write(bytes, 0..<bytes.count, at: offset)
        try file.file.synchronizeData()
    }

    private func writeVirtualSize(_ size: UInt64) throws(StorageError) {
        var bytes = [UInt8](repeating: 0, count: 8)
        bytes.store(littleEndian: size, at: 0)
        try write(bytes, at: layout.metadata.virtualSizeOffset)
    }

    /// Where in the file the rest of a block is, which the disk's end cuts; nil where there is none.
    private func restOfLastBlock(_ size: UInt64) throws(StorageError) -> Range<UInt64>? {
        let (block, rest) = size.quotientAndRemainder(dividingBy: layout.table.blockSize)
        guard rest > 0, try isPresent(block) else { return nil }
        let place = try entry(layout.table.entry(of: block)) & VHDXTable.offsetMask
        guard place >= VHDXHeader.sectionLength, rest <= file.size, place <= file.size - rest else {
            throw file.damaged("block \(block) lies in the headers or outside the file", at: place)
        }
        return place + rest..<place + layout.table.blockSize
    }

    /// What a guest does not see yet is written first; then a table that had to move is made the file's; then the size.
    private func grow(to size: UInt64, cancellation: Cancellation) throws(StorageError) {
        var regions = layout.regions
        do throws(StorageError) {
            let alignment = VHDXHeader.alignment
            var end = (file.size + alignment - 1) / alignment * alignment
            if let rest = try restOfLastBlock(virtualSize) {
                try file.writeZeros(rest, cancellation: cancellation)
                end = max(end, rest.upperBound)
            }
            let length = layout.table.entryCount(for: size) * 8
            if length > regions.table.upperBound - regions.table.lowerBound {
                regions.move(to: end..<end + (length + alignment - 1) / alignment * alignment)
                end = regions.table.upperBound
                // New blocks have no place, which zeros say.
                try file.file.setSize(ByteCount(end))
                try copyTable(to: regions.table.lowerBound, cancellation: cancellation)
            }
            try writeNewEntries(for: size, regions.table.lowerBound, &end, cancellation: cancellation)
            if end > file.size { try file.file.setSize(ByteCount(end)) }
            try file.file.synchronizeData()
        } catch {
            // A smaller file has what it had; where it was longer before, nothing is lost.
            try? file.file.setSize(ByteCount(file.size))
            throw error
        }
        if regions.table != layout.regions.table {
            // The first table counts, so that it comes last; both tables that they refer to say the same.
            for offset in VHDXRegionTable.offsets.reversed() { try write(regions.bytes, at: offset) }
        }
        try writeVirtualSize(size)
    }

    private func copyTable(to target: UInt64, cancellation: Cancellation) throws(StorageError) {
        let byteCount = layout.table.entryCount(for: virtualSize) * 8
        var position: UInt64 = 0
        while position < byteCount {
            try cancellation.check()
            let count = Int(min(Self.pageLength * 8, byteCount - position))
            let bytes = try file.bytes(
                at: layout.regions.table.lowerBound + position,
                count: count,
                "the block allocation table"
            )
            try file.file.write(bytes, 0..<count, at: target + position)
            position += UInt64(count)
        }
    }

    /// Writes the entries of blocks that are added: with a place in a fixed disk, without one in others.
    private func writeNewEntries(
        for size: UInt64,
        _ table: UInt64,
        _ end: inout UInt64,
        cancellation: Cancellation
    ) throws(StorageError) {
        var number = layout.table.entryCount(for: virtualSize)
        let total = layout.table.entryCount(for: size)
        while number < total {
            try cancellation.check()
            let count = min(Self.pageLength, total - number)
            var bytes = [UInt8](repeating: 0, count: Int(count) * 8)
            if layout.metadata.isFixed {
                for index in 0..<count where layout.table.block(of: number + index) != nil {
                    bytes.store(littleEndian: end | VHDXTable.State.fullyPresent, at: Int(index) * 8)
                    end += layout.table.blockSize
                }
            }
            try file.file.write(bytes, 0..<bytes.count, at: table + number * 8)
            number += count
        }
    }
}
