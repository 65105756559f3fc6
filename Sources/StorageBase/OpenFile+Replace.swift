extension OpenFile {
    /// Writes a file of this directory whole or not at all, and so that it lasts: a temporary file, `fsync`, `rename`,
    /// `fsync` of the directory.
    package func replace(_ name: String, with bytes: [UInt8], mode: UInt32) throws(StorageError) {
        try sweepReplacements()
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
        try synchronizeChange()
    }

    /// Removes what programs that were killed while they replaced a file left.
    ///
    /// Writing takes nobody a minute.
    private func sweepReplacements() throws(StorageError) {
        for name in try entryNames() {
            guard let name, name.hasBytePrefix(Self.temporaryPrefix), let status = try? status(of: name),
                status.modified.seconds < Timestamp.now.seconds - 60
            else { continue }
            try? remove(name)
        }
    }

    private static var temporaryPrefix: String { ".storlib-replacement-" }
}
