internal import StorageBase

/// A change of a VirtualBox image's size.
///
/// Where the block map cannot grow in front of the data, the first blocks are moved behind the last one, and the map is
/// written anew where they were: the data begins later then, and each block has a lower number. Nothing that is written
/// counts before the header does, which is one sector.
struct VDIResize {
    private let image: VDIImage
    private let old: VDIHeader
    private var new: VDIHeader
    /// How many blocks of the disk stay.
    private let keptCount: UInt64
    /// The number of blocks in the file, by the old header; those that are cut off do not count.
    private var usedCount: UInt64
    /// The same by the new header: the number of the first block that is added.
    private var newUsedCount: UInt64 = 0
    /// By how many blocks the data begins later.
    private var shift: UInt64 = 0
    /// The blocks that make room for the map: their index, and their number.
    private var moved: [(index: UInt64, number: UInt64)] = []

    private var file: ImageFile { image.file }

    /// Looks at the whole map, and changes nothing.
    init(_ image: VDIImage, to size: UInt64, _ cancellation: Cancellation) throws(StorageError) {
        self.image = image
        old = image.header
        new = old
        guard size <= VDIHeader.maximumVirtualSize else {
            throw StorageError(
                .invalidArgument,
                "'\(image.file.path)' cannot have \(size) bytes: at most \(VDIHeader.maximumVirtualSize), "
                    + "with a block map of 2 GiB",
                context: StorageError.Context(path: image.file.path)
            )
        }
        new.diskSize = (size + 511) / 512 * 512
        new.blockCount = VDIHeader.blockCount(for: size)
        keptCount = min(VDIHeader.blockCount(for: old.virtualSize), new.blockCount)
        usedCount = old.allocatedCount
        try planMap()
        try planBlocks(cancellation)
    }

    private mutating func planMap() throws(StorageError) {
        guard image.map.end <= old.dataOffset else {
            throw file.damaged("the block map overlaps the data from \(old.dataOffset) on", at: old.mapOffset)
        }
        let length = (new.blockCount * 4 + 511) / 512 * 512
        guard length > old.dataOffset - old.mapOffset else { return }
        shift = VDIHeader.blockCount(for: length)
        new.mapOffset = old.dataOffset
        new.dataOffset = old.dataOffset + shift * VDIHeader.blockSize
        guard new.dataOffset <= UInt64(UInt32.max) else {
            throw file.unsupported("its data would begin beyond 4 GiB, behind a block map of that size", at: 344)
        }
    }

    /// Finds the blocks that are to move, and those that are cut off.
    private mutating func planBlocks(_ cancellation: Cancellation) throws(StorageError) {
        var seen = UnitSet()
        var cutCount: UInt64 = 0
        var lowestCut = UInt64.max
        /// The end of those that are not moved.
        var end: UInt64 = 0
        for index in 0..<old.blockCount {
            if index % ImageTable<UInt32>.partLength == 0 { try cancellation.check() }
            let entry = try image.map.entry(at: index)
            guard case .data = try image.unit(entry, index) else { continue }
            let number = UInt64(entry)
            guard seen.insert(number) else {
                throw file.damaged("two blocks have number \(number)", at: image.map.place(of: index))
            }
            usedCount = max(usedCount, number + 1)
            if index >= keptCount {
                cutCount += 1
                lowestCut = min(lowestCut, number)
            } else if number < shift {
                moved.append((index, number))
            } else {
                end = max(end, number + 1)
            }
        }
        // The numbers of new blocks follow from it.
        guard usedCount <= UInt64(Int32.max) else {
            throw file.damaged("\(usedCount) blocks in the file are more than any disk has", at: 388)
        }
        if cutCount > 0 {
            // The file is cut as the disk is: a block has no number beyond those of the disk's blocks.
            guard lowestCut + cutCount == usedCount else {
                throw StorageError(
                    .notSupported,
                    "'\(file.path)' cannot shrink to \(new.diskSize) bytes: \(cutCount) blocks that are cut off lie "
                        + "among those that stay",
                    hint: "make an image of that size, and copy the content into it",
                    context: StorageError.Context(path: file.path)
                )
            }
            usedCount = lowestCut
        }
        if let last = moved.map(\.number).max() { end = max(end, target(of: last) + 1) }
        // Where a move was begun once, numbers are free, and those from the new beginning on are in use again.
        newUsedCount = shift == 0 ? usedCount : max(end, shift) - shift
        new.allocatedCount = newUsedCount
        if new.kind == .static { new.allocatedCount += new.blockCount - keptCount }
    }

    /// Makes the change.
    func apply(_ cancellation: Cancellation) throws(StorageError) {
        if new.virtualSize < old.virtualSize {
            try shrink()
        } else if new.virtualSize > old.virtualSize {
            try grow(cancellation)
        }
    }

    private func shrink() throws(StorageError) {
        try write(new)
        try file.file.synchronizeData()
        // The disk has its new size; that the file is smaller too, and forgets what was cut off, is not worth a failure.
        if new.allocatedCount < old.allocatedCount {
            try? file.file.setSize(ByteCount(min(file.size, place(of: new.allocatedCount, new))))
        }
        try? clear(behind: new.virtualSize)
    }

    private func grow(_ cancellation: Cancellation) throws(StorageError) {
        try clear(behind: old.virtualSize)
        try moveBlocks(cancellation)
        let size = try file.file.contentSize()
        do throws(StorageError) {
            if new.kind == .static {
                // What lies there is nobody's, and is not to be read.
                try file.file.setSize(ByteCount(min(size, place(of: newUsedCount, new))))
                try file.file.setSize(ByteCount(place(of: new.allocatedCount, new)))
            } else {
                try file.file.setSize(ByteCount(max(size, new.dataOffset)))
            }
            try writeMap(cancellation)
            try file.file.synchronizeData()
        } catch {
            try? file.file.setSize(ByteCount(size))
            throw error
        }
        try write(new)
        try file.file.synchronizeData()
    }

    private func place(of number: UInt64, _ header: VDIHeader) -> UInt64 {
        header.dataOffset + number * VDIHeader.blockSize
    }

    private func write(_ header: VDIHeader) throws(StorageError) {
        var sector = try file.file.read(count: VDIHeader.length, at: 0)
        guard sector.count == VDIHeader.length else {
            throw file.damaged("the file ends inside its header", at: 0)
        }
        header.store(in: &sector)
        try file.file.write(sector, 0..<sector.count, at: 0)
    }

    /// Fills the block in which the disk ends with zeros from there on: no guest wrote them, and one may read them.
    private func clear(behind end: UInt64) throws(StorageError) {
        let rest = (VDIHeader.blockSize - end % VDIHeader.blockSize) % VDIHeader.blockSize
        guard rest > 0 else { return }
        let index = end / VDIHeader.blockSize
        guard case .data(let offset) = try image.unit(image.map.entry(at: index), index) else { return }
        let zeros = [UInt8](repeating: 0, count: Int(rest))
        try file.file.write(zeros, 0..<zeros.count, at: offset + VDIHeader.blockSize - rest)
    }

    /// The number, by the old header, of a block that makes room for the map.
    private func target(of number: UInt64) -> UInt64 { max(usedCount, shift) + number }

    private func moveBlocks(_ cancellation: Cancellation) throws(StorageError) {
        guard !moved.isEmpty else { return }
        let size = try file.file.contentSize()
        do throws(StorageError) {
            for block in moved {
                try cancellation.check()
                try copyBlock(block.number, to: target(of: block.number))
            }
            try file.file.synchronizeData()
        } catch {
            try? file.file.setSize(ByteCount(size))
            throw error
        }
        // A guest's new blocks would come behind these, if it ended here.
        var header = old
        header.allocatedCount = target(of: shift)
        try write(header)
        try file.file.synchronizeData()
        for block in moved {
            var entry = [UInt8](repeating: 0, count: 4)
            entry.store(littleEndian: UInt32(target(of: block.number)), at: 0)
            try file.file.write(entry, 0..<4, at: image.map.place(of: block.index))
        }
        try file.file.synchronizeData()
    }

    private func copyBlock(_ number: UInt64, to target: UInt64) throws(StorageError) {
        let size = Int(VDIHeader.blockSize)
        var block = try file.file.read(count: size, at: place(of: number, old))
        block += [UInt8](repeating: 0, count: size - block.count)
        try file.file.write(block, 0..<size, at: place(of: target, old))
    }

    /// Writes the map where it is new: all of it, or behind the entries that stay.
    private func writeMap(_ cancellation: Cancellation) throws(StorageError) {
        let first = shift > 0 ? 0 : keptCount
        var map = ImageTableWriter<UInt32>(
            to: file,
            at: new.mapOffset + first * 4,
            count: new.blockCount - first,
            isBigEndian: false,
            filler: VDIHeader.Entry.unallocated
        )
        for index in first..<keptCount {
            if index % ImageTable<UInt32>.partLength == 0 { try cancellation.check() }
            let entry = try image.map.entry(at: index)
            guard entry < VDIHeader.Entry.discarded else {
                try map.set(index, to: entry)
                continue
            }
            // Whether it was read before the block was moved or after.
            let number = UInt64(entry) < shift ? target(of: UInt64(entry)) : UInt64(entry)
            try map.set(index, to: UInt32(number - shift))
        }
        if new.kind == .static {
            for index in keptCount..<new.blockCount {
                try map.set(index - first, to: UInt32(newUsedCount + index - keptCount))
            }
        }
        try map.finish()
    }
}
