/// A piece of the disk of a Mac disk image, and where its data lies.
struct DMGChunk {
    enum Kind: Equatable {
        case zero
        case raw
        case zlib
        /// One that is not read here, by its number.
        case other(UInt32)

        /// Nil for a number that marks no data.
        init?(_ number: UInt32) {
            switch number {
            case 0, 2: self = .zero
            case 1: self = .raw
            case 0x8000_0005: self = .zlib
            // A comment, and the table's end.
            case 0x7FFF_FFFE, 0xFFFF_FFFF: return nil
            default: self = .other(number)
            }
        }
    }

    let kind: Kind
    /// The range of guest offsets.
    let range: Range<UInt64>
    /// Where the data lies in the file.
    let offset: UInt64
    let length: UInt64

    private var size: UInt64 { range.upperBound - range.lowerBound }

    /// Why a chunk of this kind is not read; nil where it is.
    var unsupported: String? {
        switch kind {
        case .zero, .raw: nil
        case .zlib:
            size > UInt64(CompressedData.maximumExpandedLength) ? "it expands to \(size) bytes, more than 8 MiB" : nil
        case .other(0x8000_0004): "it is compressed with ADC"
        case .other(0x8000_0006): "it is compressed with bzip2"
        case .other(0x8000_0007): "it is compressed with LZFSE"
        case .other(0x8000_0008): "it is compressed with LZMA"
        case .other(let number): "its kind 0x\(String(number, radix: 16)) is not known"
        }
    }

    /// What is wrong with a chunk of a file of a size; nil where nothing is.
    func fault(fileSize: UInt64, virtualSize: UInt64) -> String? {
        if range.upperBound > virtualSize { return "ends at \(range.upperBound), outside the disk" }
        if kind == .zero { return nil }
        if offset > fileSize || length > fileSize - offset {
            return "has \(length) bytes at \(offset), outside the file"
        }
        if kind == .raw, length < size { return "has \(length) bytes for \(size)" }
        // Data that cannot be compressed becomes little larger.
        if kind == .zlib, length == 0 || length / 2 > size { return "has \(length) bytes that expand to \(size)" }
        return nil
    }
}
