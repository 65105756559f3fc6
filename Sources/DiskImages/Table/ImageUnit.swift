/// What a table entry says of one unit of the guest's disk.
enum ImageUnit: Equatable {
    case unallocated
    case zero
    case data(offset: UInt64)
    case compressed(offset: UInt64, length: Int)

    /// What a unit must be to lie in the same extent, at a distance behind this one; nil where none can.
    func unit(behind distance: UInt64) -> ImageUnit? {
        switch self {
        case .unallocated, .zero: self
        case .data(let offset): .data(offset: offset + distance)
        case .compressed: nil
        }
    }

    func content(in file: ImageFile, codec: Codec) -> ImageExtent.Content {
        switch self {
        case .unallocated: .unallocated
        case .zero: .zero
        case .data(let offset): .data(file, offset: offset)
        case .compressed(let offset, let length):
            .compressed(CompressedData(file: file, offset: offset, length: length, codec: codec))
        }
    }
}
