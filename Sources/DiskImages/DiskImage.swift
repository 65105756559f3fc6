package import StorageBase

/// An image that is open for reading; one thread at a time uses it.
///
/// A format conforms to this protocol and to those of what it can do: ``CreatableImage``, ``ResizableImage``,
/// ``RepairableImage``. What it cannot do is absent.
package protocol DiskImage: AnyObject, SendableMetatype {
    static var format: ImageFormat { get }

    /// How images of this format are made; nil where they are only read.
    ///
    /// A cast would cost a look-up of each conformance at each start of a program.
    static var creatable: (any CreatableImage.Type)? { get }

    /// Whether a file begins as one of this format does.
    ///
    /// - Parameter head: The first bytes, at most ``ImageFile/headLength``; fewer where the file is shorter.
    static func recognizes(head: [UInt8]) -> Bool

    /// Whether a file ends as one of this format does.
    ///
    /// - Parameter tail: The last ``ImageFile/tailLength`` bytes.
    static func recognizes(tail: [UInt8]) -> Bool

    /// What the header says, reading no more than it.
    ///
    /// - Throws: `StorageError` with code `damagedImage` or `notSupported`, and the offset of what is wrong.
    static func describe(_ file: ImageFile) throws(StorageError) -> ImageDescription

    /// Opens an image whose content is to be read.
    ///
    /// - Parameter opener: Opens other files that hold the image's data.
    init(_ file: ImageFile, opener: ImageOpener) throws(StorageError)

    var file: ImageFile { get }
    var description: ImageDescription { get }

    /// The extent in which a guest offset below the virtual size lies.
    ///
    /// It ends at the virtual size at the latest, and need not be the longest one with its source; it begins at the offset or before.
    func extent(at offset: UInt64) throws(StorageError) -> ImageExtent

    /// Looks at all tables, and adds what is wrong with them.
    func check(_ check: inout ImageCheck, cancellation: Cancellation) throws(StorageError)
}

extension DiskImage {
    package static var creatable: (any CreatableImage.Type)? { nil }
    package static func recognizes(head: [UInt8]) -> Bool { false }
    package static func recognizes(tail: [UInt8]) -> Bool { false }

    package var virtualSize: UInt64 { description.virtualSize.bytes }
}

/// A format that can be written.
package protocol CreatableImage: DiskImage {
    /// Refuses what the format cannot do: a size, an option.
    ///
    /// - Throws: `StorageError` with code `invalidArgument` or `notSupported`, which names the option and the format's limit.
    static func validate(_ creation: ImageCreation) throws(StorageError)

    /// Begins an image in an empty file.
    ///
    /// - Parameters:
    ///   - creation: What the image is to be; it was validated.
    ///   - makeFile: Makes a further file of a name beside the image, for formats that keep their data apart.
    static func writer(
        _ creation: ImageCreation,
        to file: ImageFile,
        makeFile: (String) throws(StorageError) -> ImageFile
    ) throws(StorageError) -> any ImageWriter
}

extension CreatableImage {
    package static var creatable: (any CreatableImage.Type)? { Self.self }
}

/// A format whose images can change their size.
package protocol ResizableImage: DiskImage {
    /// Refuses a new size that the image cannot have; nothing is changed.
    func validateResize(to size: UInt64) throws(StorageError)

    /// Changes the size that a guest sees; the file is open for writing. On failure the image is as it was, or reads as it did.
    func resize(to size: UInt64, cancellation: Cancellation) throws(StorageError)
}

/// A format in which leaked clusters can be freed.
package protocol RepairableImage: DiskImage {
    /// Frees clusters that nothing refers to; the file is open for writing.
    ///
    /// - Returns: The number of clusters that were freed.
    func repairLeaks(cancellation: Cancellation) throws(StorageError) -> Int
}
