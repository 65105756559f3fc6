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
