import StorageKit

/// The file that a command is given.
enum Input {
    /// Reads a file, or the standard input for `-`.
    static func read(_ path: String) throws(StorageError) -> [UInt8] {
        guard path != "-" else { return try Terminal.readInput(limit: maximumByteCount) }
        return try OpenFile(path, .readOnly).readAll(limit: maximumByteCount)
    }

    /// The name of the file in errors.
    static func name(_ path: String) -> String {
        path == "-" ? "(standard input)" : path
    }

    /// More than any document that the library reads.
    private static let maximumByteCount = 8 << 20
}
