extension OpenFile {
    /// Writes a file of this directory whole or not at all, and so that it lasts: a temporary file, `fsync`, `rename`,
    /// `fsync` of the directory.
    package func replace(_ name: String, with bytes: [UInt8], mode: UInt32) throws(StorageError) {
        var generator = SystemRandomNumberGenerator()
        let temporaryName = Self.temporaryPrefix + String(generator.next(), radix: 16)
        do throws(StorageError) {
            let file = try open(temporaryName, [.writeOnly, .create, .exclusive], mode: mode)
            try file.write(bytes)
            try file.synchronize()
            try rename(temporaryName, to: name, replacing: true)
        } catch {
            try? remove(temporaryName)
            throw error
        }
        try synchronize()
    }

    /// Removes what a program that was killed in ``replace(_:with:mode:)`` left; nobody else may be in it.
    package func sweepReplacements() throws(StorageError) {
        for name in try entryNames() {
            if let name, name.hasPrefix(Self.temporaryPrefix) { try? remove(name) }
        }
    }

    private static var temporaryPrefix: String { ".storlib-replacement-" }
}
