package import DiskImages
package import StorageBase

/// A small image that is in order: what the fuzzer begins with, and the tests damage.
package struct ImageSample: Sendable {
    package let name: String
    /// A file without a name, in memory, open for reading and writing.
    package let file: ImageFile

    init(_ name: String, _ file: ImageFile) {
        self.name = name
        self.file = file
    }

    /// Writes a file whose bytes are known.
    init(_ name: String, _ bytes: [UInt8]) throws(StorageError) {
        try self.init(name, Self.newFile())
        try file.file.write(bytes)
    }

    /// Makes an image by its format's writer, and gives some of its units data.
    init(_ name: String, _ creation: ImageCreation) throws(StorageError) {
        try self.init(name, Self.newFile())
        let writer = try creation.writer(to: file) { _ throws(StorageError) in try Self.newFile() }
        var position: UInt64 = 0
        while position < creation.virtualSize {
            let end = min(position + writer.unit, creation.virtualSize)
            try write(position..<end, to: writer)
            position = end
        }
        try writer.finish()
    }

    private func write(_ range: Range<UInt64>, to writer: any ImageWriter) throws(StorageError) {
        switch range.lowerBound / writer.unit {
        case 0, 1, 3:
            let data = (0..<Int(min(range.upperBound - range.lowerBound, 512)))
                .map { UInt8(truncatingIfNeeded: $0 / 7) }
            if let compressing = writer as? any CompressingImageWriter, let codec = compressing.codec {
                let unit = data + [UInt8](repeating: 0, count: Int(writer.unit) - data.count)
                guard let compressed = codec.compress(unit, limit: Int(writer.unit) - 1) else { return }
                try compressing.write(compressed: compressed, at: range.lowerBound)
            } else {
                for place in try writer.place(range) {
                    try place.file.file.write(data, 0..<data.count, at: place.offset)
                }
            }
        case 4: try writer.zero(range)
        default: break
        }
    }

    private static func newFile() throws(StorageError) -> ImageFile {
        ImageFile(empty: try OpenFile("/dev/shm", [.readWrite, .unnamed], mode: 0o600))
    }

    /// The image's file, opened anew.
    package func open() throws(StorageError) -> ImageFile {
        try ImageFile(file.file.duplicate())
    }

    /// All bytes of the file.
    package func bytes() throws(StorageError) -> [UInt8] {
        try file.file.read(count: Int(file.file.contentSize()), at: 0)
    }
}
