package import StorageBase

extension VPCImage: ResizableImage {
    package func validateResize(to size: UInt64) throws(StorageError) {
        guard size <= VHDFooter.maximumVirtualSize else {
            throw refusal(.invalidArgument, "a VHD has at most \(VHDFooter.maximumVirtualSize) bytes")
        }
        if header?.parentName != nil {
            throw refusal(.notSupported, "a differencing disk has the size of its parent")
        }
        // "Operations such as compaction and expansion cannot be performed" (Hard Disk Footer Format: Saved State).
        if footers.footer.isInSavedState {
            throw refusal(.notSupported, "it belongs to a machine whose state is saved", hint: "shut the machine down")
        }
        guard footers.endIsWhole, file.size % 512 == 0 else {
            throw refusal(.damagedImage, "the footer at its end is damaged", hint: "copy it to a new image")
        }
        if let header { try validateTable(header, newSize: wholeSectors(size)) }
    }

    private func refusal(_ code: StorageError.Code, _ reason: String, hint: String? = nil) -> StorageError {
        let context = StorageError.Context(path: file.path)
        return StorageError(code, "'\(file.path)' cannot be resized: \(reason)", hint: hint, context: context)
    }

    private func wholeSectors(_ size: UInt64) -> UInt64 { (size + 511) / 512 * 512 }

    /// Refuses where a block is allocated that is cut, or that would appear.
    private func validateTable(_ header: VHDDynamicHeader, newSize: UInt64) throws(StorageError) {
        let old = header.blockCount(for: virtualSize)
        let new = header.blockCount(for: newSize)
        guard min(old, new) < UInt64(header.entryCount) else { return }
        for block in min(old, new)..<min(max(old, new), UInt64(header.entryCount)) {
            guard let place = try place(of: block, header) else { continue }
            guard new < old else {
                throw file.damaged("block \(block) is allocated beyond the disk's end", at: place)
            }
            throw refusal(
                .invalidArgument,
                "the block of guest offset \(block * UInt64(header.blockSize)) holds data beyond \(newSize) bytes"
            )
        }
    }

    package func resize(to size: UInt64, cancellation: Cancellation) throws(StorageError) {
        try validateResize(to: size)
        let size = wholeSectors(size)
        guard size != virtualSize || footers.damage != nil else { return }
        var footer = footers.footer
        footer.resize(to: size)
        if let header {
            try resize(header, footer, cancellation: cancellation)
        } else {
            try resizeFixed(footer, cancellation: cancellation)
        }
    }

    private func write(_ bytes: [UInt8], at offset: UInt64) throws(StorageError) {
        try file.file.write(bytes, 0..<bytes.count, at: offset)
        try file.file.synchronizeData()
    }

    /// Runs what only appends to the file, and takes it back where it fails.
    private func appending(_ body: () throws(StorageError) -> Void) throws(StorageError) {
        do throws(StorageError) {
            try body()
        } catch {
            try? file.file.setSize(ByteCount(file.size))
            throw error
        }
    }

    // MARK: Fixed disks

    /// There is a whole footer at the file's end at every moment; a crash may leave the old one where zeros should be, in what is new.
    private func resizeFixed(_ footer: VHDFooter, cancellation: Cancellation) throws(StorageError) {
        let end = file.size - UInt64(VHDFooter.byteCount)
        let size = footer.virtualSize
        if size > virtualSize {
            // What lies there was no part of the disk, and a guest shall not see it.
            try file.writeZeros(virtualSize..<min(size, end), cancellation: cancellation)
        }
        if size > end {
            // A footer that is written a little at a time does not exist: this makes the file longer with it, or not at all.
            try appending { () throws(StorageError) in try write(footer.bytes, at: size) }
            try file.writeZeros(end..<file.size, cancellation: Cancellation())
        } else {
            try write(footer.bytes, at: end)
            guard size < end else { return }
            try write(footer.bytes, at: size)
            try file.file.setSize(ByteCount(size + UInt64(VHDFooter.byteCount)))
        }
        try file.file.synchronizeData()
    }

    // MARK: Disks that grow

    /// First the table is made large enough, with the old size; then the footers get the new one.
    private func resize(
        _ header: VHDDynamicHeader,
        _ footer: VHDFooter,
        cancellation: Cancellation
    ) throws(StorageError) {
        let size = footer.virtualSize
        var end = file.size - UInt64(VHDFooter.byteCount)
        let needed = header.blockCount(for: size)
        if size > virtualSize { try clearLastBlock(header, from: virtualSize, cancellation) }
        if needed > UInt64(header.entryCount) {
            var grown = header
            if header.tableEnd(entryCount: needed) <= header.tableEnd(entryCount: UInt64(header.entryCount)) {
                // The table's last sector has room.
                grown.move(to: header.tableOffset, entryCount: UInt32(needed))
                let added = Int(grown.tableByteCount - header.tableByteCount)
                try write(
                    [UInt8](repeating: 0xFF, count: added),
                    at: header.tableOffset + header.tableByteCount
                )
            } else {
                // Behind the old footer, which is whole until the new one is.
                grown.move(to: (file.size + 511) / 512 * 512, entryCount: UInt32(needed))
                end = grown.tableEnd(entryCount: needed)
                try appending { () throws(StorageError) in
                    try copyTable(header, to: grown, end: end, cancellation: cancellation)
                    try write(footers.footer.bytes, at: end)
                }
            }
            try write(grown.bytes, at: header.offset)
        }
        try write(footer.bytes, at: end)
        try write(footer.bytes, at: 0)
        if size < virtualSize { try clearLastBlock(header, from: size, cancellation) }
    }

    private func copyTable(
        _ header: VHDDynamicHeader,
        to grown: VHDDynamicHeader,
        end: UInt64,
        cancellation: Cancellation
    ) throws(StorageError) {
        let pageByteCount = Self.pageLength * 4
        var position: UInt64 = 0
        while position < end - grown.tableOffset {
            try cancellation.check()
            let count = min(pageByteCount, end - grown.tableOffset - position)
            var bytes = [UInt8](repeating: 0xFF, count: Int(count))
            if position < header.tableByteCount {
                let old = Int(min(count, header.tableByteCount - position))
                bytes.store(
                    try file.bytes(at: header.tableOffset + position, count: old, "the block allocation table"),
                    at: 0
                )
            }
            try file.file.write(bytes, 0..<bytes.count, at: grown.tableOffset + position)
            position += count
        }
    }

    /// Makes the rest of a block, which the disk's end cuts, zeros.
    private func clearLastBlock(
        _ header: VHDDynamicHeader,
        from size: UInt64,
        _ cancellation: Cancellation
    ) throws(StorageError) {
        let (block, rest) = size.quotientAndRemainder(dividingBy: UInt64(header.blockSize))
        guard rest > 0, let place = try place(of: block, header) else { return }
        let data = place + header.bitmapSize
        let range = data + rest..<data + UInt64(header.blockSize)
        guard range.upperBound <= file.size - UInt64(VHDFooter.byteCount) else {
            throw file.damaged("the block of guest offset \(size - rest) lies outside the file", at: place)
        }
        try file.writeZeros(range, cancellation: cancellation)
        try file.file.synchronizeData()
    }
}
