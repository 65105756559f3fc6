internal import StorageBase

/// A table of integers that is written in ascending order, of which one part at a time is in memory.
struct ImageTableWriter<Entry: FixedWidthInteger & BitwiseCopyable> {
    private let file: ImageFile
    private let offset: UInt64
    private let count: UInt64
    private let isBigEndian: Bool
    /// What stands where nothing is set.
    private let filler: Entry
    /// The index of the first entry that is in memory.
    private var first: UInt64 = 0
    private var entries: [Entry]
    private var isChanged = false

    /// Begins a table; where the filler is zero, the file reads as zeros there.
    init(to file: ImageFile, at offset: UInt64, count: UInt64, isBigEndian: Bool, filler: Entry = 0) {
        self.file = file
        self.offset = offset
        self.count = count
        self.isBigEndian = isBigEndian
        self.filler = filler
        entries = []
        begin(at: 0)
    }

    private mutating func begin(at index: UInt64) {
        first = index
        entries = [Entry](
            repeating: filler,
            count: Int(min(ImageTable<Entry>.partLength, count > index ? count - index : 0))
        )
        isChanged = filler != 0
    }

    /// Sets an entry; no earlier one is set after it.
    mutating func set(_ index: UInt64, to entry: Entry) throws(StorageError) {
        try advance(to: index)
        entries[Int(index - first)] = entry
        isChanged = true
    }

    /// Writes what is not written yet.
    mutating func finish() throws(StorageError) {
        try advance(to: count)
        try writePart()
    }

    private mutating func advance(to index: UInt64) throws(StorageError) {
        let length = ImageTable<Entry>.partLength
        while index >= first + length {
            try writePart()
            // Zeros need not be written: they are a hole in the file.
            begin(at: filler == 0 ? index / length * length : first + length)
        }
    }

    private func writePart() throws(StorageError) {
        guard isChanged, !entries.isEmpty else { return }
        let size = MemoryLayout<Entry>.size
        var bytes = [UInt8](repeating: 0, count: entries.count * size)
        for (index, entry) in entries.enumerated() {
            if isBigEndian {
                bytes.store(bigEndian: entry, at: index * size)
            } else {
                bytes.store(littleEndian: entry, at: index * size)
            }
        }
        try file.file.write(bytes, 0..<bytes.count, at: offset + first * UInt64(size))
    }
}
