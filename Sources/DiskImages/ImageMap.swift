public import StorageBase

/// Where the content of a guest's disk lies.
public struct ImageMap: Hashable, Sendable, Codable {
    /// A range of the guest's disk whose content has one source.
    public struct Entry: Hashable, Sendable, Codable {
        /// What a guest reads.
        public enum Kind: String, Hashable, Sendable, Codable {
            /// Bytes of a file.
            case data
            /// Bytes of a file that are compressed there.
            case compressed
            /// Zeros that an image holds.
            case zero
            /// Zeros, since no image holds anything.
            case hole
        }

        /// Where the range begins on the guest's disk.
        public let start: ByteCount
        /// How long it is.
        public package(set) var length: ByteCount
        /// What a guest reads.
        public let kind: Kind
        /// The number of the image in the chain, from 0, the one that a guest writes to; nil for a hole.
        public let layer: Int?
        /// The file that holds the bytes.
        public let file: String?
        /// Where in that file.
        public let offset: ByteCount?
    }

    /// The images of the chain, the one that a guest writes to first.
    public let layers: [String]
    /// The ranges, in order; together they are the guest's disk.
    public private(set) var entries: [Entry] = []

    /// Looks at all of a chain.
    package init(_ chain: ImageChain, cancellation: Cancellation) throws(StorageError) {
        layers = chain.layers.map(\.file.path)
        var position: UInt64 = 0
        while position < chain.virtualSize {
            try cancellation.check()
            let extent = try chain.extent(at: position)
            append(extent)
            position = extent.range.upperBound
        }
    }

    private mutating func append(_ extent: ImageChain.Extent) {
        let kind: Entry.Kind
        var place: (file: String, offset: UInt64)?
        switch extent.content {
        case .data(let file, let offset): (kind, place) = (.data, (file.path, offset))
        case .compressed(let data): (kind, place) = (.compressed, (data.file.path, data.offset))
        case .zero: kind = .zero
        case .unallocated: kind = .hole
        }
        let length = ByteCount(extent.range.upperBound - extent.range.lowerBound)
        if var last = entries.last, last.kind == kind, last.layer == extent.layer, kind != .compressed,
            place?.file == last.file,
            place?.offset == last.offset.map({ $0.bytes + last.length.bytes })
        {
            last.length = ByteCount(last.length.bytes + length.bytes)
            entries[entries.count - 1] = last
            return
        }
        entries.append(
            Entry(
                start: ByteCount(extent.range.lowerBound),
                length: length,
                kind: kind,
                layer: extent.layer,
                file: place?.file,
                offset: place.map { ByteCount($0.offset) }
            )
        )
    }
}
