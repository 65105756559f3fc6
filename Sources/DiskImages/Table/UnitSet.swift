/// A set of numbered units of a file: a bit for each, where they lie together.
///
/// Its size follows from what is in it, and not from the file's size, which may be of holes.
struct UnitSet {
    private var words: [UInt64: UInt64] = [:]
    /// How many units are in it.
    private(set) var count: UInt64 = 0

    /// Adds a unit.
    ///
    /// - Returns: Whether it was not in the set.
    mutating func insert(_ unit: UInt64) -> Bool {
        insert(unit..<unit + 1)
    }

    /// Adds units.
    ///
    /// - Returns: Whether none of them was in the set.
    mutating func insert(_ units: Range<UInt64>) -> Bool {
        var isNew = true
        for (number, mask) in Self.masks(units) {
            let before = words[number, default: 0]
            words[number] = before | mask
            count += UInt64((mask & ~before).nonzeroBitCount)
            if before & mask != 0 { isNew = false }
        }
        return isNew
    }

    /// Whether one of the units is in the set.
    func overlaps(_ units: Range<UInt64>) -> Bool {
        Self.masks(units).contains { words[$0, default: 0] & $1 != 0 }
    }

    /// The units of a range that are not in the set, one run after the other.
    func forEachGap(in range: Range<UInt64>, _ body: (Range<UInt64>) -> Void) {
        var start = range.lowerBound
        for (number, word) in words.sorted(by: { $0.key < $1.key }) {
            var rest = word
            while rest != 0 {
                let unit = number * 64 + UInt64(rest.trailingZeroBitCount)
                rest &= rest - 1
                guard unit < range.upperBound else { break }
                if unit > start { body(start..<unit) }
                start = max(start, unit + 1)
            }
        }
        if start < range.upperBound { body(start..<range.upperBound) }
    }

    /// The words in which the units lie, and their bits there.
    private static func masks(_ units: Range<UInt64>) -> some Sequence<(number: UInt64, mask: UInt64)> {
        let numbers = units.isEmpty ? 0..<0 : units.lowerBound / 64..<(units.upperBound - 1) / 64 + 1
        return numbers.lazy.map { number in
            let low = max(units.lowerBound, number * 64) - number * 64
            let high = min(units.upperBound - number * 64, 64)
            return (number, (UInt64.max << low) & (UInt64.max >> (64 - high)))
        }
    }
}
