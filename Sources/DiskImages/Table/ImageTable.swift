internal import StorageBase

/// A table of integers in an image's file, of which one part at a time is in memory.
///
/// A header says how long a table is, and is not to be believed: no more is read at once than a part.
final class ImageTable<Entry: FixedWidthInteger & BitwiseCopyable> {
    /// Entries that follow each other.
    struct Part {
        /// The index of the first one.
        let first: UInt64
        let entries: [Entry]

        var end: UInt64 { first + UInt64(entries.count) }

        subscript(index: UInt64) -> Entry { entries[Int(index - first)] }
    }

    let file: ImageFile
    let offset: UInt64
    let count: UInt64
    private let isBigEndian: Bool
    /// The part that was read last; who reads a disk goes on from there.
    private var last: Part?

    private static var entrySize: UInt64 { UInt64(MemoryLayout<Entry>.size) }
    /// The entries of a part: 64 KiB.
    static var partLength: UInt64 { 65536 / entrySize }

    /// Finds a table in a file, without reading it.
    ///
    /// - Parameter name: What the table is called where the file ends inside it.
    init(
        _ file: ImageFile,
        at offset: UInt64,
        count: UInt64,
        isBigEndian: Bool,
        _ name: String
    ) throws(StorageError) {
        let (length, isTooLong) = count.multipliedReportingOverflow(by: Self.entrySize)
        let (end, isTooFar) = offset.addingReportingOverflow(length)
        guard !isTooLong, !isTooFar, end <= file.size else {
            throw file.damaged("the file of \(file.size) bytes ends inside \(name)", at: offset)
        }
        self.file = file
        self.offset = offset
        self.count = count
        self.isBigEndian = isBigEndian
    }

    /// Where the table ends in the file.
    var end: UInt64 { offset + count * Self.entrySize }

    /// Where an entry lies in the file.
    func place(of index: UInt64) -> UInt64 { offset + index * Self.entrySize }

    /// The part in which an entry lies; it reads where that is not the last one.
    func part(at index: UInt64) throws(StorageError) -> Part {
        if let last, index >= last.first, index < last.end { return last }
        guard index < count else {
            throw file.damaged("a table of \(count) entries has none of index \(index)", at: offset)
        }
        let first = index / Self.partLength * Self.partLength
        let length = Int(min(Self.partLength, count - first))
        let size = MemoryLayout<Entry>.size
        let bytes = try file.bytes(at: place(of: first), count: length * size, "a table")
        let span = bytes.span
        var entries: [Entry] = []
        entries.reserveCapacity(length)
        for number in 0..<length {
            try entries.append(
                isBigEndian
                    ? span.bigEndian(Entry.self, at: number * size)
                    : span.littleEndian(Entry.self, at: number * size)
            )
        }
        let part = Part(first: first, entries: entries)
        last = part
        return part
    }

    func entry(at index: UInt64) throws(StorageError) -> Entry {
        try part(at: index)[index]
    }

    /// The extent of the units that lie together, as far as one part of the table tells.
    ///
    /// - Parameters:
    ///   - guestOffset: The guest offset in question, before the disk's end.
    ///   - start: The guest offset of the table's first unit.
    ///   - unitSize: The bytes of the guest's disk that an entry describes.
    ///   - end: Where the guest's disk ends.
    ///   - codec: How units are compressed.
    ///   - unit: What an entry of an index says.
    func extent(
        at guestOffset: UInt64,
        start: UInt64 = 0,
        unitSize: UInt64,
        end: UInt64,
        codec: Codec = .deflate,
        _ unit: (_ entry: Entry, _ index: UInt64) throws(StorageError) -> ImageUnit
    ) throws(StorageError) -> ImageExtent {
        let index = (guestOffset - start) / unitSize
        let part = try part(at: index)
        let kind = try unit(part[index], index)
        let begin = start + index * unitSize
        // The last unit may reach beyond the disk's end.
        let limit = min(part.end, index + (end - begin - 1) / unitSize + 1)
        var next = index + 1
        while next < limit, let expected = kind.unit(behind: (next - index) * unitSize) {
            // What is wrong with a unit is the concern of those who read that one.
            guard let following = try? unit(part[next], next), following == expected else { break }
            next += 1
        }
        return ImageExtent(begin..<min(begin + (next - index) * unitSize, end), kind.content(in: file, codec: codec))
    }
}
