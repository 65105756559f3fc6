package import DiskImages
package import StorageBase

/// A change of one byte makes a checksum wrong, and what lies behind it would never be tried.
extension ImageFormat {
    /// Makes the checksums in an image's file right.
    package func mendChecksums(in file: borrowing OpenFile, size: UInt64) throws(StorageError) {
        switch self {
        case .vpc: try Self.mendVHD(file, size)
        case .vhdx: try Self.mendVHDX(file)
        default: break
        }
    }

    /// The footer, its copy and the header of a disk that grows ("Virtual Hard Disk Image Format Specification", version 1.0).
    private static func mendVHD(_ file: borrowing OpenFile, _ size: UInt64) throws(StorageError) {
        let copy = try file.read(count: 512, at: 0)
        var structures: [(signature: String, place: UInt64, length: Int, checksum: Int)] = [("conectix", 0, 512, 64)]
        if size >= 512 { structures.append(("conectix", size - 512, 512, 64)) }
        if copy.count == 512 { structures.append(("cxsparse", try copy.bigEndian(UInt64.self, at: 16), 1024, 36)) }
        for (signature, place, length, field) in structures where place <= size {
            var bytes = try file.read(count: length, at: place)
            guard bytes.count == length, bytes.starts(with: signature.utf8) else { continue }
            bytes.store(bigEndian: 0 as UInt32, at: field)
            bytes.store(bigEndian: ~bytes.reduce(0 as UInt32) { $0 &+ UInt32($1) }, at: field)
            try file.write(bytes, field..<field + 4, at: place + UInt64(field))
        }
    }

    /// The headers, the region tables, and the log's entries, of which the checksums are in the second field ([MS-VHDX] 2.2, 2.3).
    private static func mendVHDX(_ file: borrowing OpenFile) throws(StorageError) {
        for (signature, place, length) in [
            ("head", 65536, 4096), ("head", 131_072, 4096), ("regi", 196_608, 65536), ("regi", 262_144, 65536),
        ] as [(String, UInt64, Int)] {
            try mend(file, signature, at: place, length)
        }
        let header = try file.read(count: 80, at: 65536)
        guard header.count == 80 else { return }
        let logLength = try min(UInt64(header.littleEndian(UInt32.self, at: 68)), 1 << 20)
        let logOffset = try min(header.littleEndian(UInt64.self, at: 72), PackedImage.maximumSize)
        for place in stride(from: logOffset, to: logOffset + logLength, by: 4096) {
            let entry = try file.read(count: 12, at: place)
            guard entry.starts(with: "loge".utf8), entry.count == 12 else { continue }
            try mend(file, "loge", at: place, Int(min(entry.littleEndian(UInt32.self, at: 8), 65536)))
        }
    }

    private static func mend(_ file: borrowing OpenFile, _ signature: String, at place: UInt64, _ length: Int)
        throws(StorageError)
    {
        var bytes = try file.read(count: length, at: place)
        guard bytes.count == length, length >= 8, bytes.starts(with: signature.utf8) else { return }
        bytes.storeVHDXChecksum()
        try file.write(bytes, 4..<8, at: place + 4)
    }
}
