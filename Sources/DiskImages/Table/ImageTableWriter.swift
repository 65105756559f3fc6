internal import StorageBase

/// A table of integers that is written in ascending order, of which one part at a time is in memory.
struct ImageTableWriter<Entry: FixedWidthInteger & BitwiseCopyable> {
    private let file: ImageFile
    private let offset: UInt64
    private let count: UInt64
    private let isBigEndian: Bool
    /// A part in which nothing is set.
    private let emptyPart: [UInt8]
    private let isEmptyWritten: Bool
    /// The part that is in memory, and the index of its first entry.
    private var part: [UInt8]
    private var first: UInt64 = 0
    private var isChanged = false

    private static var entrySize: Int { MemoryLayout<Entry>.size }
    private static var partLength: UInt64 { ImageTable<Entry>.partLength }

    /// Begins a table; where the filler is zero, the file reads as zeros there.
    ///
    /// - Parameter filler: What stands where nothing is set.
    init(to file: ImageFile, at offset: UInt64, count: UInt64, isBigEndian: Bool, filler: Entry = 0) {
        self.file = file
        self.offset = offset
        self.count = count
        self.isBigEndian = isBigEndian
        let length = Int(min(Self.partLength, count))
        var bytes = [UInt8](repeating: 0, count: length * Self.entrySize)
        for index in 0..<length where filler != 0 { Self.store(filler, index, isBigEndian, in: &bytes) }
        emptyPart = bytes
        part = bytes
        isEmptyWritten = filler != 0
    }

    private static func store(_ entry: Entry, _ index: Int, _ isBigEndian: Bool, in bytes: inout [UInt8]) {
        if isBigEndian {
            bytes.store(bigEndian: entry, at: index * entrySize)
        } else {
            bytes.store(littleEndian: entry, at: index * entrySize)
        }
    }

    /// Sets an entry; no earlier one is set after it.
    mutating func set(_ index: UInt64, to entry: Entry) throws(StorageError) {
        try advance(to: index)
        Self.store(entry, Int(index - first), isBigEndian, in: &part)
        isChanged = true
    }

    /// Writes what is not written yet.
    mutating func finish() throws(StorageError) {
        try advance(to: count)
        try writePart()
    }

    private mutating func advance(to index: UInt64) throws(StorageError) {
        while index >= first + Self.partLength {
            try writePart()
            // Zeros need not be written: they are a hole in the file.
            first = isEmptyWritten ? first + Self.partLength : index / Self.partLength * Self.partLength
            if isChanged { part = emptyPart }
            isChanged = false
        }
    }

    private func writePart() throws(StorageError) {
        guard isChanged || isEmptyWritten, first < count else { return }
        let length = Int(min(Self.partLength, count - first)) * Self.entrySize
        try file.file.write(part, 0..<length, at: offset + first * UInt64(Self.entrySize))
    }
}
