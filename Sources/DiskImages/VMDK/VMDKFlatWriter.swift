internal import StorageBase

/// A flat VMware image that is being made: the data in a file of their own, and the descriptor last.
final class VMDKFlatWriter: ImageWriter {
    private let file: ImageFile
    private let data: ImageFile
    private let name: String
    private let sectors: UInt64

    /// - Parameter name: That of the data's file, beside the descriptor.
    init(sectors: UInt64, name: String, data: ImageFile, to file: ImageFile) throws(StorageError) {
        self.file = file
        self.data = data
        self.name = name
        self.sectors = sectors
        try data.file.setSize(ByteCount(sectors * VMDKHeader.sectorSize))
    }

    /// The block of most file systems: smaller holes are none.
    var unit: UInt64 { 4096 }

    func place(_ range: Range<UInt64>) throws(StorageError) -> [ImagePlace] {
        [ImagePlace(range, in: data, at: range.lowerBound)]
    }

    func zero(_ range: Range<UInt64>) throws(StorageError) {}

    func finish() throws(StorageError) {
        let text = VMDKDescriptor.text(
            createType: "monolithicFlat",
            sectors: sectors,
            extent: "FLAT \"\(name)\" 0",
            parent: nil
        )
        try file.file.setSize(ByteCount(UInt64(text.count)))
        try file.file.write(text, 0..<text.count, at: 0)
    }
}
