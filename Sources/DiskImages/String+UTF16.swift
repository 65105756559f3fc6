extension String {
    /// Takes UTF-16 text that ends at its first zero unit, or with the bytes.
    ///
    /// - Returns: Nil where the bytes are not valid UTF-16.
    init?(utf16 bytes: ArraySlice<UInt8>, isBigEndian: Bool) {
        guard bytes.count.isMultiple(of: 2) else { return nil }
        var units: [UInt16] = []
        for index in stride(from: bytes.startIndex, to: bytes.endIndex, by: 2) {
            let (first, second) = (UInt16(bytes[index]), UInt16(bytes[index + 1]))
            let unit = isBigEndian ? first << 8 | second : second << 8 | first
            if unit == 0 { break }
            units.append(unit)
        }
        self.init(validating: units, as: UTF16.self)
    }

    /// A path of Windows as this system writes it: with slashes.
    var withSlashes: String {
        String(decoding: utf8.map { $0 == UInt8(ascii: "\\") ? UInt8(ascii: "/") : $0 }, as: UTF8.self)
    }
}
