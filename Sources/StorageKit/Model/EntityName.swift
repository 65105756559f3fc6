/// The rules for the names of pools and volumes.
enum EntityName: String {
    case pool
    case volume

    /// Names of 255 bytes fit into a directory (`NAME_MAX`); a pool's name gets `.xml` behind it.
    private var maximumByteCount: Int {
        switch self {
        case .pool: 250
        case .volume: 255
        }
    }

    /// - Throws: `StorageError` with code `invalidName`.
    func check(_ name: String) throws(StorageError) {
        let reason: String
        if name.isEmpty {
            reason = "is empty"
        } else if name == "." || name == ".." {
            reason = "is '\(name)'"
        } else if name.containsSlash {
            reason = "contains '/'"
        } else if name.containsControlCharacters {
            reason = "contains a control character, or one that no document can hold"
        } else if name.utf8.count > maximumByteCount {
            reason = "has more than \(maximumByteCount) bytes"
        } else {
            return
        }
        throw StorageError(.invalidName, "\(rawValue) name '\(name.printable)' cannot be used: it \(reason)")
    }
}

extension Unicode.Scalar {
    /// Whether it is of Unicode's general category Cc, or one of the two that XML 1.0 (2.2 Char) leaves out.
    var isControlCharacter: Bool { value < 0x20 || (0x7F...0x9F).contains(value) || value == 0xFFFE || value == 0xFFFF }
}

extension String {
    var containsControlCharacters: Bool {
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
