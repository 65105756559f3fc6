/// Overwriting what a file has on its disk.
extension OpenFile {
    /// Goes over all blocks of the file, those that are set aside and not yet written too; holes stay holes.
    ///
    /// - Parameter size: The file's size, behind which nothing is written.
    func overwrite(_ passes: [WipePass], size: UInt64, _ control: TransferControl) throws(StorageError) {
        var blocks: UInt64 = 0
        try forEachRange(below: size) { range throws(StorageError) in blocks += range.upperBound - range.lowerBound }
        let (total, overflow) = blocks.multipliedReportingOverflow(by: UInt64(passes.count))
        control.progress.setTotal(overflow ? nil : ByteCount(total))
        var buffer: [UInt8] = []
        var previous = WipePass.zeros
        for pass in passes {
            if pass == .verification {
                try dropCache()
            } else {
                buffer = try pass.buffer()
            }
            try forEachRange(below: size) { range throws(StorageError) in
                switch pass {
                case .pattern(let pattern): try write(pattern.count, &buffer, over: range, control)
                case .random: try writeRandomly(&buffer, over: range, control)
                case .verification: try compare(previous, buffer, range, control)
                }
            }
            // Each pass reaches the disk before the next one replaces it in memory.
            try synchronizeData()
            previous = pass
        }
    }

    /// Why overwriting this file would leave its old content on the disk; nil where nothing is known to be in the way.
    func reasonNotToOverwrite(size: UInt64) throws(StorageError) -> String? {
        if let reason = try relocatesWrites() { return reason }
        var position: UInt64 = 0
        do throws(StorageError) {
            while position < size {
                let extents = try extents(in: position..<size)
                if extents.contains(where: \.isShared) { return "other files share its blocks" }
                if extents.contains(where: \.isEncoded) {
                    return "the file system keeps it compressed, encrypted or among its own data"
                }
                guard let last = extents.last, !last.isLast, last.end > position else { break }
                position = last.end
            }
        } catch {
            guard error.code == .notSupported else { throw error }
        }
        return nil
    }

    private func forEachRange(
        below size: UInt64,
        _ body: (Range<UInt64>) throws(StorageError) -> Void
    ) throws(StorageError) {
        var position: UInt64 = 0
        while position < size {
            let extents: [FileExtent]
            do throws(StorageError) {
                extents = try self.extents(in: position..<size)
            } catch {
                guard error.code == .notSupported else { throw error }
                return try forEachDataRange(below: size, body)
            }
            for extent in extents {
                let range = max(extent.offset, position)..<max(min(extent.end, size), extent.offset, position)
                if !range.isEmpty { try body(range) }
                position = max(position, range.upperBound)
            }
            guard let last = extents.last, !last.isLast, last.end >= position else { return }
        }
    }

    /// Where the file system does not tell its extents, it may tell its holes.
    private func forEachDataRange(
        below size: UInt64,
        _ body: (Range<UInt64>) throws(StorageError) -> Void
    ) throws(StorageError) {
        var position: UInt64 = 0
        while position < size, let data = try nextData(from: position), data < size {
            let hole = min(try nextHole(from: data), size)
            guard hole > data else { return }
            try body(data..<hole)
            position = hole
        }
    }

    private func write(
        _ patternLength: Int,
        _ buffer: inout [UInt8],
        over range: Range<UInt64>,
        _ control: TransferControl
    ) throws(StorageError) {
        try forEachPart(of: range, patternLength) { part, offset throws(StorageError) in
            try control.cancellation.check()
            try write(buffer, part, at: offset)
            control.advance(by: UInt64(part.count))
        }
    }

    private func writeRandomly(
        _ buffer: inout [UInt8],
        over range: Range<UInt64>,
        _ control: TransferControl
    ) throws(StorageError) {
        try forEachPart(of: range, 1) { part, offset throws(StorageError) in
            try control.cancellation.check()
            try buffer.fillRandomly()
            try write(buffer, part, at: offset)
            control.advance(by: UInt64(part.count))
        }
    }

    private func compare(
        _ pass: WipePass,
        _ expected: [UInt8],
        _ range: Range<UInt64>,
        _ control: TransferControl
    ) throws(StorageError) {
        guard case .pattern(let pattern) = pass else { return }
        var found = [UInt8](repeating: 0, count: expected.count)
        try forEachPart(of: range, pattern.count) { part, offset throws(StorageError) in
            try control.cancellation.check()
            let count = try read(into: &found, part, at: offset)
            guard count == part.count, found[part] == expected[part] else {
                throw StorageError(
                    .inputOutput,
                    "the disk does not hold what the wipe of '\(path)' wrote, near byte \(offset)",
                    hint: "the disk may be failing",
                    context: StorageError.Context(path: path, byteOffset: ByteCount(offset))
                )
            }
            control.advance(by: UInt64(part.count))
        }
    }

    /// Cuts a range into parts, each with the part of a buffer that belongs there.
    ///
    /// The buffer begins a pattern at the file's first byte.
    private func forEachPart(
        of range: Range<UInt64>,
        _ patternLength: Int,
        _ body: (_ part: Range<Int>, _ offset: UInt64) throws(StorageError) -> Void
    ) throws(StorageError) {
        var position = range.lowerBound
        while position < range.upperBound {
            let phase = Int(position % UInt64(patternLength))
            let count = Int(min(range.upperBound - position, UInt64(WipePass.bufferSize)))
            try body(phase..<phase + count, position)
            position += UInt64(count)
        }
    }
}

extension WipePass {
    /// What is written at once: two of these are held while a pass is verified.
    fileprivate static let bufferSize = 1 << 20

    /// What is written: a pattern with enough behind its end to begin at any of its bytes.
    fileprivate func buffer() throws(StorageError) -> [UInt8] {
        guard case .pattern(let pattern) = self else {
            return [UInt8](repeating: 0, count: WipePass.bufferSize)
        }
        let count = WipePass.bufferSize + pattern.count
        return (0..<count).map { pattern[$0 % pattern.count] }
    }
}
