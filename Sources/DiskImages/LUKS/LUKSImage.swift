package import StorageBase

/// A LUKS container, version 1 ("LUKS1 On-Disk Format Specification", 2.1): its content is encrypted, and never read here.
package final class LUKSImage: DiskImage {
    package static var format: ImageFormat { .luks }

    package let file: ImageFile
    package let description: ImageDescription

    static let magic: [UInt8] = [0x4C, 0x55, 0x4B, 0x53, 0xBA, 0xBE]
    private static let signature = magic + [0, 1]
    private static let headerByteCount = 592

    package static func recognizes(head: [UInt8]) -> Bool { head.starts(with: signature) }

    package static func describe(_ file: ImageFile) throws(StorageError) -> ImageDescription {
        let header = try file.bytes(at: 0, count: headerByteCount, "its header")
        let version = try header.bigEndian(UInt16.self, at: 6)
        guard version == 1 else { throw file.unsupported("version \(version) is not 1", at: 6) }
        let cipher = try name(header[8..<40], file, at: 8)
        let mode = try name(header[40..<72], file, at: 40)
        let payloadOffset = try UInt64(header.bigEndian(UInt32.self, at: 104)) * 512
        guard payloadOffset > 0 else {
            throw file.unsupported("it is a header whose content lies on another device", at: 104)
        }
        guard payloadOffset >= UInt64(headerByteCount), payloadOffset <= file.size else {
            throw file.damaged("the content begins at \(payloadOffset), in the header or outside the file", at: 104)
        }
        var description = ImageDescription(format: .luks, virtualSize: ByteCount(file.size - payloadOffset))
        description.version = "1"
        description.subformat = "\(cipher)-\(mode)"
        description.encryption = ImageFormat.luks.rawValue
        return description
    }

    private static func name(_ field: ArraySlice<UInt8>, _ file: ImageFile, at offset: UInt64) throws(StorageError)
        -> String
    {
        let name = field.prefix { $0 != 0 }
        guard !name.isEmpty, name.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw file.damaged("there is no name of a cipher", at: offset)
        }
        return String(decoding: name, as: UTF8.self)
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

extension ImageFile {
    /// The error for content that nobody reads without its key.
    func encrypted() -> StorageError {
        StorageError(
            .notSupported,
            "'\(path)' is encrypted, and its content cannot be read",
            context: StorageError.Context(path: path)
        )
    }
}
