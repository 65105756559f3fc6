/// Names and paths are bytes to the system. Swift's own comparisons are of characters: for them `é` is the same in each of its
/// two encodings, and a `/` before a combining mark is no `/`.
extension String {
    /// Whether both have the same bytes.
    package func hasSameBytes(as other: String) -> Bool {
        utf8.elementsEqual(other.utf8)
    }

    package func hasBytePrefix(_ prefix: String) -> Bool {
        utf8.starts(with: prefix.utf8)
    }

    /// The text before a suffix, or nil where it ends otherwise.
    package func withoutByteSuffix(_ suffix: String) -> String? {
        guard utf8.count >= suffix.utf8.count, utf8.suffix(suffix.utf8.count).elementsEqual(suffix.utf8) else {
            return nil
        }
        return String(decoding: utf8.dropLast(suffix.utf8.count), as: UTF8.self)
    }

    package var containsSlash: Bool { utf8.contains(UInt8(ascii: "/")) }

    /// The directory of an absolute path, and the name in it; nil where there is no slash.
    package var splitPath: (parent: String, name: String)? {
        guard let slash = utf8.lastIndex(of: UInt8(ascii: "/")) else { return nil }
        let name = String(decoding: utf8[utf8.index(after: slash)...], as: UTF8.self)
        return (slash == startIndex ? "/" : String(decoding: utf8[..<slash], as: UTF8.self), name)
    }
}
