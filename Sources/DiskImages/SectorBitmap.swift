/// A bit for each sector.
struct SectorBitmap {
    private(set) var bytes: [UInt8]
    /// Whether the first sector of a byte has its highest bit, and not its lowest.
    private var isMostSignificantBitFirst = false

    init(_ bytes: [UInt8], isMostSignificantBitFirst: Bool = false) {
        self.bytes = bytes
        self.isMostSignificantBitFirst = isMostSignificantBitFirst
    }

    /// Makes a bitmap of a number of bytes in which no bit is set.
    init(byteCount: Int) {
        bytes = [UInt8](repeating: 0, count: byteCount)
    }

    var count: Int { bytes.count * 8 }

    /// Whether a bit is set; those that the bitmap does not have are not.
    func contains(_ index: Int) -> Bool {
        index >= 0 && index < count && bytes[index / 8] & bit(index) != 0
    }

    private func bit(_ index: Int) -> UInt8 {
        1 << UInt8(isMostSignificantBitFirst ? 7 - index % 8 : index % 8)
    }

    /// Where the bits that are equal to the one at an index end, at the limit at the latest.
    func endOfRun(from index: Int, limit: Int) -> Int {
        let value = contains(index)
        let whole: UInt8 = value ? 0xFF : 0
        var next = index + 1
        while next < limit {
            if next % 8 == 0, next + 8 <= min(limit, count), bytes[next / 8] == whole {
                next += 8
            } else if contains(next) == value {
                next += 1
            } else {
                break
            }
        }
        return min(next, limit)
    }

    /// Sets bits that the bitmap has.
    mutating func insert(_ range: Range<Int>) {
        var index = range.lowerBound
        while index < range.upperBound {
            if index % 8 == 0, index + 8 <= range.upperBound {
                bytes[index / 8] = 0xFF
                index += 8
            } else {
                bytes[index / 8] |= bit(index)
                index += 1
            }
        }
    }
}
