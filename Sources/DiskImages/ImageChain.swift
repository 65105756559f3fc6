package import StorageBase

/// An image and its backing files: what a guest sees.
package final class ImageChain {
    /// The images, the one that a guest writes to first.
    package let layers: [any DiskImage]

    /// More layers than anybody works with: each costs a look-up of what is not in those above.
    package static let maximumDepth = 200

    /// Opens the backing files of an image.
    ///
    /// - Parameter openBacking: Opens a backing file for reading; who opens an image decides which files it may reach. Its
    ///   format is nil where the image does not say.
    /// - Throws: `StorageError` with code `damagedImage` where the chain leads back to itself or is too deep.
    package init(
        _ image: any DiskImage,
        openBacking: (ImageDescription.Backing, ImageFile) throws(StorageError) -> any DiskImage
    ) throws(StorageError) {
        var layers = [image]
        var identities: Set<FileIdentity> = [try image.file.file.status().identity]
        var top = image
        while let backing = top.description.backing {
            guard layers.count < Self.maximumDepth else {
                throw top.file.damaged("its chain of backing files has more than \(Self.maximumDepth) images", at: 0)
            }
            let next = try openBacking(backing, top.file)
            guard try identities.insert(next.file.file.status().identity).inserted else {
                throw top.file.damaged("its backing file '\(backing.name.printable)' leads back to itself", at: 0)
            }
            layers.append(next)
            top = next
        }
        self.layers = layers
    }

    /// The size that a guest sees, in bytes.
    package var virtualSize: UInt64 { layers[0].virtualSize }

    /// A range that a guest sees, and where it comes from.
    package struct Extent: Sendable {
        package let range: Range<UInt64>
        /// The source; of plain data the offset is that of the range's first byte.
        package let content: ImageExtent.Content
        /// The whole unit of compressed data, of which the range is a part.
        package let unit: Range<UInt64>
        /// The number of the image in the chain, from 0; nil where no image holds the range.
        package let layer: Int?
    }

    /// The range that begins at a guest offset below the virtual size.
    package func extent(at offset: UInt64) throws(StorageError) -> Extent {
        var end = virtualSize
        for (number, layer) in layers.enumerated() {
            // Beyond the end of a smaller backing file there are zeros.
            guard offset < layer.virtualSize else { break }
            let extent = try layer.extent(at: offset)
            end = min(end, extent.range.upperBound)
            let content: ImageExtent.Content
            switch extent.content {
            case .unallocated: continue
            case .data(let file, let place): content = .data(file, offset: place + (offset - extent.range.lowerBound))
            case .zero, .compressed: content = extent.content
            }
            return Extent(range: offset..<end, content: content, unit: extent.range, layer: number)
        }
        return Extent(range: offset..<end, content: .unallocated, unit: offset..<end, layer: nil)
    }
}
