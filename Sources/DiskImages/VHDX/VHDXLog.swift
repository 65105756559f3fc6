internal import StorageBase

/// What the log of a VHDX file holds and its writer has not put in place ([MS-VHDX] 2.3).
struct VHDXLog {
    /// A change of the file, of whole sectors of the log.
    private struct Write {
        let range: Range<UInt64>
        /// Nil for zeros.
        let bytes: [UInt8]?
    }

    /// An entry that was checked, in the order of its sectors.
    private struct Entry {
        let position: UInt64
        let tail: UInt64
        let sequenceNumber: UInt64
        let flushedFileOffset: UInt64
        let bytes: [UInt8]
        var length: UInt64 { UInt64(bytes.count) }
    }

    private static let sectorSize = 4096
    /// The log is in memory whole; Hyper-V and QEMU make it 1 MiB.
    private static let maximumLength: UInt32 = 8 << 20
    /// How often each byte may be read, on average: more is nothing but an attempt to keep us busy.
    private static let maximumVisits = 16
    /// A log has a sector for nearly each change; only zeros come without.
    private static let maximumWriteCount = 1 << 16

    private var writes: [Write] = []

    /// Reads the log; nothing is in it where its entries are of an earlier one.
    init(_ file: ImageFile, _ header: VHDXHeader) throws(StorageError) {
        guard header.logLength <= Self.maximumLength else {
            throw file.unsupported("a log of \(header.logLength) bytes is larger than 8 MiB", at: header.logOffset)
        }
        guard header.logLength > 0 else { return }
        let log = try file.bytes(at: header.logOffset, count: Int(header.logLength), "its log")
        for entry in try Self.activeSequence(log, header, file) {
            guard entry.flushedFileOffset <= file.size else {
                throw file.damaged(
                    "the file had \(entry.flushedFileOffset) bytes when its log was written, and is truncated",
                    at: header.logOffset + entry.position
                )
            }
            try writes.append(contentsOf: Self.writes(entry))
            guard writes.count <= Self.maximumWriteCount else {
                throw file.unsupported("its log has more than \(Self.maximumWriteCount) changes", at: header.logOffset)
            }
        }
    }

    /// The entries that follow each other up to the newest one ([MS-VHDX] 2.3.3).
    private static func activeSequence(
        _ log: [UInt8],
        _ header: VHDXHeader,
        _ file: ImageFile
    ) throws(StorageError) -> ArraySlice<Entry> {
        var newest: ArraySlice<Entry> = []
        var isCut = false
        var start: UInt64 = 0
        var budget = log.count * maximumVisits
        while start < UInt64(log.count) {
            var sequence: [Entry] = []
            var head = start
            var length: UInt64 = 0
            while let entry = try entry(log, at: head, header.logGUID, &budget) {
                if let last = sequence.last, entry.sequenceNumber != last.sequenceNumber &+ 1 { break }
                length += entry.length
                guard length <= UInt64(log.count) else { break }
                sequence.append(entry)
                head = (head + entry.length) % UInt64(log.count)
            }
            guard budget > 0 else {
                throw file.damaged("its log has entries within each other", at: header.logOffset)
            }
            guard let last = sequence.last else {
                start += UInt64(sectorSize)
                continue
            }
            if let first = sequence.firstIndex(where: { $0.position == last.tail }) {
                if newest.last.map({ last.sequenceNumber > $0.sequenceNumber }) ?? true { newest = sequence[first...] }
            } else {
                isCut = true
            }
            // Behind the sequence, unless that is at the beginning again.
            guard head > start else { break }
            start = head
        }
        guard !newest.isEmpty || !isCut else {
            throw file.damaged("the first entries of its log are damaged", at: header.logOffset)
        }
        return newest
    }

    private static func entry(
        _ log: [UInt8],
        at position: UInt64,
        _ guid: MicrosoftGUID,
        _ budget: inout Int
    ) throws(StorageError) -> Entry? {
        let start = Int(position)
        guard start + sectorSize <= log.count, log[start..<start + 4].elementsEqual("loge".utf8) else { return nil }
        let length = Int(try log.littleEndian(UInt32.self, at: start + 8))
        let tail = try UInt64(log.littleEndian(UInt32.self, at: start + 12))
        let sequenceNumber = try log.littleEndian(UInt64.self, at: start + 16)
        guard length > 0, length % sectorSize == 0, length <= log.count, sequenceNumber > 0,
            MicrosoftGUID(log, at: start + 32) == guid, budget > 0
        else { return nil }
        budget -= length
        // The log is a ring.
        let count = min(length, log.count - start)
        let bytes = Array(log[start..<start + count] + log[..<(length - count)])
        guard bytes.hasValidVHDXChecksum else { return nil }
        let entry = Entry(
            position: position,
            tail: tail,
            sequenceNumber: sequenceNumber,
            flushedFileOffset: try bytes.littleEndian(UInt64.self, at: 48),
            bytes: bytes
        )
        // An entry whose descriptors make no sense is none.
        return (try? writes(entry)) == nil ? nil : entry
    }

    /// The changes of an entry: its descriptors, and the sectors that follow them.
    private static func writes(_ entry: Entry) throws(StorageError) -> [Write] {
        let bytes = entry.bytes
        let count = Int(try bytes.littleEndian(UInt32.self, at: 24))
        guard count <= bytes.count / 32 else { throw senseless }
        var sector = (64 + count * 32 + sectorSize - 1) / sectorSize * sectorSize
        var writes: [Write] = []
        for descriptor in stride(from: 64, to: 64 + count * 32, by: 32) {
            let offset = try bytes.littleEndian(UInt64.self, at: descriptor + 16)
            guard try bytes.littleEndian(UInt64.self, at: descriptor + 24) == entry.sequenceNumber,
                offset % UInt64(sectorSize) == 0
            else { throw senseless }
            let signature = bytes[descriptor..<descriptor + 4]
            let isZero = signature.elementsEqual("zero".utf8)
            guard isZero || signature.elementsEqual("desc".utf8) else { throw senseless }
            let length = isZero ? try bytes.littleEndian(UInt64.self, at: descriptor + 8) : UInt64(sectorSize)
            let (end, overflow) = offset.addingReportingOverflow(length)
            guard !overflow, length % UInt64(sectorSize) == 0 else { throw senseless }
            if isZero {
                writes.append(Write(range: offset..<end, bytes: nil))
            } else {
                writes.append(Write(range: offset..<end, bytes: try data(entry, descriptor, at: sector)))
                sector += sectorSize
            }
        }
        return writes
    }

    /// A sector of data, whose first eight and last four bytes are in the descriptor.
    private static func data(_ entry: Entry, _ descriptor: Int, at sector: Int) throws(StorageError) -> [UInt8] {
        let bytes = entry.bytes
        guard sector + sectorSize <= bytes.count, bytes[sector..<sector + 4].elementsEqual("data".utf8),
            try bytes.littleEndian(UInt32.self, at: sector + 4) == UInt32(entry.sequenceNumber >> 32),
            try bytes.littleEndian(UInt32.self, at: sector + sectorSize - 4)
                == UInt32(truncatingIfNeeded: entry.sequenceNumber)
        else { throw senseless }
        return Array(
            bytes[descriptor + 8..<descriptor + 16] + bytes[sector + 8..<sector + sectorSize - 4]
                + bytes[descriptor + 4..<descriptor + 8]
        )
    }

    private static var senseless: StorageError { StorageError(.damagedImage, "an entry of a log makes no sense") }

    /// Puts what was logged into bytes that were read at an offset.
    func apply(to bytes: inout [UInt8], at offset: UInt64) {
        let size = UInt64(Self.sectorSize)
        let range = offset..<offset + UInt64(bytes.count)
        let sectors = range.lowerBound / size..<(range.upperBound + size - 1) / size
        // The newest change of a sector counts, so that each is changed once.
        var isOpen = [Bool](repeating: true, count: sectors.count)
        for write in writes.reversed() where write.range.overlaps(range) {
            let changed = (write.range.lowerBound / size..<write.range.upperBound / size).clamped(to: sectors)
            for sector in changed where isOpen[Int(sector - sectors.lowerBound)] {
                isOpen[Int(sector - sectors.lowerBound)] = false
                let part = (sector * size..<(sector + 1) * size).clamped(to: range)
                let target = Int(part.lowerBound - offset)..<Int(part.upperBound - offset)
                let source = Int(part.lowerBound - sector * size)
                if let data = write.bytes {
                    bytes.replaceSubrange(target, with: data[source..<source + target.count])
                } else {
                    bytes.replaceSubrange(target, with: repeatElement(0, count: target.count))
                }
            }
        }
    }

    /// Whether something was logged for a range of the file.
    func overlaps(_ range: Range<UInt64>) -> Bool {
        writes.contains { $0.range.overlaps(range) }
    }
}
