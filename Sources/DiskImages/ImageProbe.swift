package import StorageBase

extension ImageFormat {
    /// The formats that have a signature, in the order in which files are compared with them.
    static let images: [any DiskImage.Type] = [
        QCOW2Image.self, VHDXImage.self, VPCImage.self,
    ]

    /// How images of this format are read; nil where they are only recognised.
    package var image: (any DiskImage.Type)? {
        self == .raw ? RawImage.self : Self.images.first { $0.format == self }
    }

    /// The format of a file by what is in it; raw where nothing is recognised.
    ///
    /// What is in a file that a guest can write is the guest's word. Read are the first bytes, and for those that they do not
    /// tell the last ones and the place of a CD-ROM's descriptor.
    package static func probe(_ file: ImageFile) throws(StorageError) -> ImageFormat {
        if let image = images.first(where: { $0.recognizes(head: file.head) }) { return image.format }
        if file.size >= UInt64(ImageFile.tailLength) {
            let tail = try file.bytes(
                at: file.size - UInt64(ImageFile.tailLength),
                count: ImageFile.tailLength,
                "the last sector"
            )
            if let image = images.first(where: { $0.recognizes(tail: tail) }) { return image.format }
        }
        return .raw
    }

    /// What the header of an image of this format says.
    package func describe(_ file: ImageFile) throws(StorageError) -> ImageDescription {
        guard let image else {
            throw StorageError(.notSupported, "images of format '\(self)' cannot be read")
        }
        return try image.describe(file)
    }
}
