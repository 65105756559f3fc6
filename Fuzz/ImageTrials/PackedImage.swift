package import DiskImages
package import StorageBase

/// An image's file without its holes: what the fuzzer changes, and how what it found is kept.
///
/// The bytes begin with the file's size, of 64 bits; its highest bit says that checksums stay as they are, wrong ones too. Then come
/// sectors: the number of each, of 32 bits, and its 512 bytes; of the last one there may be fewer. Integers have their least
/// significant byte first.
package struct PackedImage {
    package static let sectorSize = 512
    /// Files are of at most 16 MiB, so that what takes long takes long for what they contain, and not for their length.
    package static let maximumSize: UInt64 = 16 << 20
    private static let keepsChecksums: UInt64 = 1 << 63

    package let bytes: [UInt8]

    package init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// Packs a file.
    package init(_ file: ImageFile) throws(StorageError) {
        let size = try file.file.contentSize()
        var bytes = [UInt8](repeating: 0, count: 8)
        bytes.store(littleEndian: size, at: 0)
        var position: UInt64 = 0
        while let data = try file.file.nextData(from: position) {
            let end = try file.file.nextHole(from: data)
            for sector in data / UInt64(Self.sectorSize)...(end - 1) / UInt64(Self.sectorSize) {
                let content = try file.file.read(count: Self.sectorSize, at: sector * UInt64(Self.sectorSize))
                guard content.contains(where: { $0 != 0 }) else { continue }
                var number = [UInt8](repeating: 0, count: 4)
                number.store(littleEndian: UInt32(truncatingIfNeeded: sector), at: 0)
                bytes += number + content
            }
            position = end
        }
        self.bytes = bytes
    }

    /// Makes the file, without a name and in memory.
    ///
    /// - Parameter format: The format whose checksums are made right.
    package func unpack(mendingChecksumsOf format: ImageFormat) throws(StorageError) -> OpenFile {
        let file = try OpenFile("/dev/shm", [.readWrite, .unnamed], mode: 0o600)
        guard bytes.count >= 8 else { return file }
        let word = try bytes.littleEndian(UInt64.self, at: 0)
        let size = (word & ~Self.keepsChecksums) % (Self.maximumSize + 1)
        var position = 8
        while position + 4 < bytes.count {
            let offset = try UInt64(bytes.littleEndian(UInt32.self, at: position)) * UInt64(Self.sectorSize)
            let end = min(position + 4 + Self.sectorSize, bytes.count)
            if offset < size {
                try file.write(bytes, position + 4..<min(end, position + 4 + Int(min(size - offset, 512))), at: offset)
            }
            position = end
        }
        try file.setSize(ByteCount(size))
        if word & Self.keepsChecksums == 0 { try format.mendChecksums(in: file, size: size) }
        return file
    }
}
