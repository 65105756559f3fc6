package import StorageBase

/// A CD-ROM image (ECMA-119, ISO 9660): a plain file with volume descriptors from its sixteenth sector on.
package final class ISOImage: DiskImage {
    package static var format: ImageFormat { .iso }

    package var file: ImageFile { raw.file }
    package let description: ImageDescription
    private let raw: RawImage

    /// Where the first volume descriptor begins (ECMA-119 6.2.1).
    static let descriptorOffset: UInt64 = 16 * 2048
    static let descriptorByteCount = 2048

    /// Whether these are a volume descriptor's first bytes (ECMA-119 8.1.2).
    static func recognizes(descriptor: [UInt8]) -> Bool {
        descriptor.dropFirst().starts(with: "CD001".utf8)
    }

    package static func describe(_ file: ImageFile) throws(StorageError) -> ImageDescription {
        let descriptor = try file.bytes(at: descriptorOffset, count: 6, "its volume descriptor")
        guard recognizes(descriptor: descriptor) else {
            throw file.damaged("there is no volume descriptor", at: descriptorOffset)
        }
        return ImageDescription(format: .iso, virtualSize: ByteCount(file.size))
    }

    package init(_ file: ImageFile, opener: ImageOpener) throws(StorageError) {
        description = try Self.describe(file)
        raw = try RawImage(file, opener: opener)
    }

    package func extent(at offset: UInt64) throws(StorageError) -> ImageExtent {
        try raw.extent(at: offset)
    }

    /// Compares the file's size with that of the volume, in blocks at byte 80 and in bytes at byte 128 (ECMA-119 8.4.8, 8.4.12).
    package func check(_ check: inout ImageCheck, cancellation: Cancellation) throws(StorageError) {
        check.endOffset = ByteCount(file.size)
        let descriptor = try file.bytes(
            at: Self.descriptorOffset,
            count: Self.descriptorByteCount,
            "its volume descriptor"
        )
        // Only a primary descriptor has them.
        guard descriptor[0] == 1 else { return }
        let blockCount = try UInt64(descriptor.littleEndian(UInt32.self, at: 80))
        let blockSize = try UInt64(descriptor.littleEndian(UInt16.self, at: 128))
        let volumeSize = blockCount * blockSize
        if volumeSize > file.size {
            check.add(.corruption, "the file ends before its volume of \(volumeSize) bytes", at: file.size)
        }
    }
}
