/// Walks over a JSON text (RFC 8259) from an untrusted source, keeping nothing of what is not asked for.
///
/// Each function leaves the position behind what it read, or where it could not.
struct JSONScanner {
    /// Deeper than any metadata is.
    private static let maximumDepth = 32

    private let bytes: [UInt8]
    private(set) var position = 0
    private var depth = 0

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = Array(bytes)
    }

    /// Reads an object; the body reads the value of each key.
    ///
    /// - Returns: False where there is no object, or the body has returned false.
    mutating func object(_ body: (inout JSONScanner, String) -> Bool) -> Bool {
        list("{", "}") { scanner in
            guard let key = scanner.string(), scanner.take(":") else { return false }
            return body(&scanner, key)
        }
    }

    /// Reads a string that has no escapes; nil where there is none.
    mutating func string() -> String? {
        skipSpace()
        guard let text = quoted(), !text.contains(UInt8(ascii: "\\")) else { return nil }
        return String(validating: text, as: UTF8.self)
    }

    /// Passes over a value of any kind.
    mutating func skip() -> Bool {
        skipSpace()
        guard position < bytes.count else { return false }
        switch bytes[position] {
        case UInt8(ascii: "{"):
            return list("{", "}") { scanner in
                scanner.skipSpace()
                return scanner.quoted() != nil && scanner.take(":") && scanner.skip()
            }
        case UInt8(ascii: "["): return list("[", "]") { scanner in scanner.skip() }
        case UInt8(ascii: "\""): return quoted() != nil
        default: return skipWord()
        }
    }

    private mutating func list(
        _ opening: Unicode.Scalar,
        _ closing: Unicode.Scalar,
        _ element: (inout JSONScanner) -> Bool
    ) -> Bool {
        guard depth < Self.maximumDepth, take(opening) else { return false }
        depth += 1
        defer { depth -= 1 }
        if take(closing) { return true }
        while true {
            guard element(&self) else { return false }
            if take(closing) { return true }
            guard take(",") else { return false }
        }
    }

    /// What stands between quotation marks, escapes as they are.
    private mutating func quoted() -> ArraySlice<UInt8>? {
        guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else { return nil }
        let start = position + 1
        var end = start
        while end < bytes.count, bytes[end] != UInt8(ascii: "\"") {
            end += bytes[end] == UInt8(ascii: "\\") ? 2 : 1
        }
        guard end < bytes.count else { return nil }
        position = end + 1
        return bytes[start..<end]
    }

    /// A number, or `true`, `false` or `null`: what they say is of no interest.
    private mutating func skipWord() -> Bool {
        let start = position
        while position < bytes.count, isOfWord(bytes[position]) { position += 1 }
        return position > start
    }

    private func isOfWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"): true
        case UInt8(ascii: "E"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."): true
        default: false
        }
    }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        skipSpace()
        guard position < bytes.count, bytes[position] == UInt8(ascii: scalar) else { return false }
        position += 1
        return true
    }

    private mutating func skipSpace() {
        while position < bytes.count, bytes[position].isSpace { position += 1 }
    }
}

extension UInt8 {
    /// Whether it is a space, a tab or an end of a line.
    var isSpace: Bool { self == 0x20 || self == 0x09 || self == 0x0A || self == 0x0D }
}
