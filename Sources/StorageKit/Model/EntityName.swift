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
        } else if name.contains("/") {
            reason = "contains '/'"
        } else if name.unicodeScalars.contains(where: \.isControlCharacter) {
            reason = "contains a control character"
        } else if name.utf8.count > maximumByteCount {
            reason = "has more than \(maximumByteCount) bytes"
        } else {
            return
        }
        throw StorageError(.invalidName, "\(rawValue) name '\(name.printable)' cannot be used: it \(reason)")
    }
}

extension Unicode.Scalar {
    var isControlCharacter: Bool { properties.generalCategory == .control }
}

extension String {
    /// The text on one line: control characters as escapes, and no more than a line's worth.
    package var printable: String {
        let shown = unicodeScalars.prefix(200).map { $0.isControlCharacter ? $0.escaped(asASCII: true) : String($0) }
        return shown.joined() + (unicodeScalars.count > 200 ? "…" : "")
    }
}
