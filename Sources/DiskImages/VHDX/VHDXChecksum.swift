internal import StorageBase

/// Headers, region tables and log entries have a CRC-32C of themselves in their second field, which counts as zero ([MS-VHDX] 2.2.2).
extension [UInt8] {
    private static var checksumOffset: Int { 4 }

    private var checksum: UInt32 {
        var bytes = self
        bytes.store(littleEndian: 0 as UInt32, at: Self.checksumOffset)
        return CRC32C.checksum(bytes)
    }

    /// Whether a structure of VHDX is what was written.
    var hasValidVHDXChecksum: Bool {
        (try? littleEndian(UInt32.self, at: Self.checksumOffset)) == checksum
    }

    package mutating func storeVHDXChecksum() {
        store(littleEndian: checksum, at: Self.checksumOffset)
    }
}
