package import StorageBase

extension RawImage: CreatableImage {
    package static func validate(_ creation: ImageCreation) throws(StorageError) {
        try creation.refuseOptions(preallocations: [.off, .falloc, .full])
        guard creation.virtualSize <= ByteCount.maximum.bytes else {
            throw creation.tooLarge(limit: ByteCount.maximum.bytes, "the most that a file can have")
        }
    }

    package static func writer(
        _ creation: ImageCreation,
        to file: ImageFile,
        makeFile: (String) throws(StorageError) -> ImageFile
    ) throws(StorageError) -> any ImageWriter {
        try file.file.setSize(ByteCount(creation.virtualSize))
        return RawWriter(file)
    }
}

/// A plain file that is being made: each byte has its place.
private final class RawWriter: ImageWriter {
    private let file: ImageFile

    init(_ file: ImageFile) {
        self.file = file
    }

    /// The block of most file systems: smaller holes are none.
    var unit: UInt64 { 4096 }

    func place(_ range: Range<UInt64>) throws(StorageError) -> [ImagePlace] {
        [ImagePlace(range, in: file, at: range.lowerBound)]
    }

    func zero(_ range: Range<UInt64>) throws(StorageError) {}

    func finish() throws(StorageError) {}
}
