package import StorageBase

/// An image that is being made, from its beginning to its end.
///
/// Nothing is an image until ``finish()``. The ranges of one image ascend and do not overlap; one thread at a time calls.
package protocol ImageWriter: AnyObject {
    /// The unit in which the format allocates, in bytes.
    ///
    /// The ranges begin at a multiple of it, and end at one or at the image's end.
    var unit: UInt64 { get }

    /// Gives a range of the guest's disk a place for plain data, which reads as zeros until somebody writes there.
    ///
    /// - Returns: The places, in order; together they are the range. Data written beyond the last range's end up to the
    ///   unit's end is zeros.
    func place(_ range: Range<UInt64>) throws(StorageError) -> [ImagePlace]

    /// Makes a range read as zeros, whatever the backing file holds; without a backing file nothing need be done.
    func zero(_ range: Range<UInt64>) throws(StorageError)

    /// Writes what makes the whole an image: tables, and the header last. The file is not synchronised.
    func finish() throws(StorageError)
}

/// A writer that takes compressed units.
package protocol CompressingImageWriter: ImageWriter {
    /// How units are compressed; nil where this image wants plain ones.
    var codec: Codec? { get }

    /// Whether the format has no plain units: data that does not become smaller is compressed too.
    var compressesAll: Bool { get }

    /// Writes a unit that was compressed with ``codec``.
    func write(compressed bytes: [UInt8], at offset: UInt64) throws(StorageError)
}

/// Where a range of the guest's disk lies in a file.
package struct ImagePlace: Sendable {
    package let range: Range<UInt64>
    package let file: ImageFile
    package let offset: UInt64

    package init(_ range: Range<UInt64>, in file: ImageFile, at offset: UInt64) {
        self.range = range
        self.file = file
        self.offset = offset
    }
}
