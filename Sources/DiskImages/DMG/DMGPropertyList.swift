/// The tables in a property list of a Mac disk image: the `<data>` elements in the array of the key `blkx`.
///
/// This is no XML parser: it looks for the tags as they are written, and what is between them must be base64.
struct DMGPropertyList {
    private(set) var tables: [ArraySlice<UInt8>] = []

    init(_ text: [UInt8]) {
        var scanner = Scanner(text)
        guard scanner.skip(through: "<key>blkx</key>"), scanner.skip(through: "<array>"),
            let end = scanner.find("</array>")
        else { return }
        while scanner.skip(through: "<data>", before: end), let close = scanner.find("</data>"), close <= end {
            tables.append(text[scanner.position..<close])
            scanner.position = close
        }
    }

    private struct Scanner {
        private let text: [UInt8]
        var position = 0

        init(_ text: [UInt8]) {
            self.text = text
        }

        /// Where a tag begins, at the position or after it.
        func find(_ tag: StaticString) -> Int? {
            let count = tag.utf8CodeUnitCount
            let tag = Array(tag.description.utf8)
            var index = position
            while index <= text.count - count {
                if text[index] == tag[0], text[index..<index + count].elementsEqual(tag) { return index }
                index += 1
            }
            return nil
        }

        /// Goes behind a tag; false where there is none before the end.
        mutating func skip(through tag: StaticString, before end: Int = .max) -> Bool {
            guard let found = find(tag), found < end else { return false }
            position = found + tag.utf8CodeUnitCount
            return true
        }
    }

    /// The bytes that a text in base64 stands for (RFC 4648, 4), between whose characters there may be space.
    static func data(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count / 4 * 3)
        var bits: UInt32 = 0
        var count = 0
        var padding = 0
        for character in text where !character.isSpace {
            if character == UInt8(ascii: "=") {
                padding += 1
                continue
            }
            guard padding == 0, let value = value(character) else { return nil }
            bits = bits << 6 | UInt32(value)
            count += 1
            if count % 4 == 0 {
                bytes.append(UInt8(truncatingIfNeeded: bits >> 16))
                bytes.append(UInt8(truncatingIfNeeded: bits >> 8))
                bytes.append(UInt8(truncatingIfNeeded: bits))
            }
        }
        switch (count % 4, padding) {
        case (0, 0): break
        case (2, 2): bytes.append(UInt8(truncatingIfNeeded: bits >> 4))
        case (3, 1):
            bytes.append(UInt8(truncatingIfNeeded: bits >> 10))
            bytes.append(UInt8(truncatingIfNeeded: bits >> 2))
        default: return nil
        }
        return bytes
    }

    private static func value(_ character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): character - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): character - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
