package import StorageBase

/// A range of the guest's disk whose content has one source.
package struct ImageExtent: Sendable {
    /// Where the content of a range comes from.
    package enum Content: Sendable {
        /// Plain bytes of a file, from an offset on.
        case data(ImageFile, offset: UInt64)
        /// A unit that is compressed; the range is the whole unit.
        case compressed(CompressedData)
        /// Zeros, whatever is in the backing file.
        case zero
        /// Nothing: the backing file's content, or zeros where there is none.
        case unallocated
    }

    /// The range of guest offsets.
    package let range: Range<UInt64>
    package let content: Content

    package init(_ range: Range<UInt64>, _ content: Content) {
        self.range = range
        self.content = content
    }
}

/// A unit of a guest's disk that lies compressed in a file.
package struct CompressedData: Sendable {
    package let file: ImageFile
    package let offset: UInt64
    /// The number of bytes to read, at least those of the compressed unit.
    package let length: Int
    package let codec: Codec

    /// The most that a unit may expand to: what the largest formats have, and little enough to hold several in memory.
    package static let maximumExpandedLength = 8 << 20

    package init(file: ImageFile, offset: UInt64, length: Int, codec: Codec) {
        self.file = file
        self.offset = offset
        self.length = length
        self.codec = codec
    }

    /// Reads and expands the unit; it blocks, and may be called on any thread.
    ///
    /// - Parameter count: The number of bytes of the whole unit.
    /// - Throws: `StorageError` with code `damagedImage`.
    package func expanded(to count: Int) throws(StorageError) -> [UInt8] {
        // The length is rounded up to whole sectors, and the last unit may end with the file.
        let available = offset < file.size ? file.size - offset : 0
        let bytes = try file.bytes(at: offset, count: Int(min(UInt64(length), available)), "a compressed cluster")
        guard let expanded = codec.expand(bytes, to: count) else {
            throw file.damaged("a compressed cluster cannot be expanded to its \(count) bytes", at: offset)
        }
        return expanded
    }
}
