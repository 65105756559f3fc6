internal import StorageBase

/// What stands before each part of a stream-optimized extent ("Virtual Disk Format 5.0", Stream-Optimized Compressed Sparse Extents).
///
/// Before a grain it is 12 bytes, which the compressed data follow at once; before others it is a sector.
struct VMDKMarker {
    static let endOfStream: UInt32 = 0
    static let grainTable: UInt32 = 1
    static let grainDirectory: UInt32 = 2
    static let footer: UInt32 = 3
    /// The bytes of it that stand before a compressed grain.
    static let grainByteCount = 12

    /// The grain's sector on the guest's disk, or the number of sectors that follow.
    let value: UInt64
    /// The number of compressed bytes; 0 for what is no grain.
    let size: UInt32
    /// What follows; nil for a grain.
    let kind: UInt32?

    /// Reads a marker, of which there may be no more than the part that stands before a grain.
    init(_ bytes: [UInt8], at offset: Int) throws(StorageError) {
        value = try bytes.littleEndian(UInt64.self, at: offset)
        size = try bytes.littleEndian(UInt32.self, at: offset + 8)
        kind =
            if size == 0, bytes.count >= offset + 16 { try bytes.littleEndian(UInt32.self, at: offset + 12) } else {
                nil
            }
    }

    /// The sector before a table, or the footer.
    static func sector(_ kind: UInt32, sectors: UInt64) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: VMDKHeader.byteCount)
        bytes.store(littleEndian: sectors, at: 0)
        bytes.store(littleEndian: kind, at: 12)
        return bytes
    }
}
