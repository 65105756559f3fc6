package import StorageBase

/// A LUKS container, version 2 ("LUKS2 On-Disk Format Specification", 1.1): its content is encrypted, and never read here.
package final class LUKS2Image: DiskImage {
    package static var format: ImageFormat { .luks2 }

    package let file: ImageFile
    package let description: ImageDescription

    private static let signature = LUKSImage.magic + [0, 2]
    private static let binaryHeaderByteCount: UInt64 = 4096
    /// The sizes that the specification has for the header with its JSON area (2.1).
    private static let headerByteCounts: ClosedRange<UInt64> = (16 << 10)...(4 << 20)

    package static func recognizes(head: [UInt8]) -> Bool { head.starts(with: signature) }

    package static func describe(_ file: ImageFile) throws(StorageError) -> ImageDescription {
        let header = try file.bytes(at: 0, count: Int(binaryHeaderByteCount), "its header")
        let version = try header.bigEndian(UInt16.self, at: 6)
        guard version == 2 else { throw file.unsupported("version \(version) is not 2", at: 6) }
        let headerByteCount = try header.bigEndian(UInt64.self, at: 8)
        guard headerByteCounts.contains(headerByteCount), headerByteCount.nonzeroBitCount == 1 else {
            throw file.damaged("a header of \(headerByteCount) bytes is no power of two from 16 KiB to 4 MiB", at: 8)
        }
        let content = try LUKS2Metadata(file, areaEnd: headerByteCount)
        guard content.start >= headerByteCount else {
            throw file.unsupported(
                "it is a header whose content lies on another device",
                at: binaryHeaderByteCount
            )
        }
        guard content.start <= file.size, content.end.map({ $0 >= content.start && $0 <= file.size }) ?? true else {
            throw file.damaged("the content begins or ends outside the file", at: binaryHeaderByteCount)
        }
        let size = (content.end ?? file.size) - content.start
        var description = ImageDescription(format: .luks2, virtualSize: ByteCount(size))
        description.version = "2"
        description.subformat = content.cipher
        description.encryption = ImageFormat.luks2.rawValue
        return description
    }

    package init(_ file: ImageFile, opener: ImageOpener) throws(StorageError) {
        self.file = file
        description = try Self.describe(file)
    }

    package func extent(at offset: UInt64) throws(StorageError) -> ImageExtent {
        throw file.encrypted()
    }

    package func check(_ check: inout ImageCheck, cancellation: Cancellation) throws(StorageError) {
        check.endOffset = ByteCount(file.size)
    }
}
