extension Unicode.Scalar {
    /// Whether it is of Unicode's general category Cc, or one of the two that XML 1.0 (2.2 Char) leaves out.
    package var isControlCharacter: Bool {
        value < 0x20 || (0x7F...0x9F).contains(value) || value == 0xFFFE || value == 0xFFFF
    }
}

extension String {
    package var containsControlCharacters: Bool {
        // Those beyond ASCII begin with one of these bytes in UTF-8.
        utf8.contains { $0 < 0x20 || $0 == 0x7F || $0 == 0xC2 || $0 == 0xEF }
            && unicodeScalars.contains(where: \.isControlCharacter)
    }

    /// The text on one line: control characters as escapes, and no more than a line's worth.
    package var printable: String {
        let shown = unicodeScalars.prefix(200).map { $0.isControlCharacter ? $0.escaped(asASCII: true) : String($0) }
        return shown.joined() + (unicodeScalars.count > 200 ? "…" : "")
    }
}
