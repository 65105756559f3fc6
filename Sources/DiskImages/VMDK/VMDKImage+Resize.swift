package import StorageBase

/// Flat images of one file, and sparse ones of one.
///
/// The opener opens files for writing. After a change the image is opened anew.
extension VMDKImage: ResizableImage {
    package func validateResize(to size: UInt64) throws(StorageError) {
        _ = try resize(to: size)
    }

    package func resize(to size: UInt64, cancellation: Cancellation) throws(StorageError) {
        try cancellation.check()
        switch try resize(to: size) {
        case .flat(let data, let sectors): try resize(data, to: sectors)
        case .sparse(let extent, let sectors):
            try extent.prepare()
            let offset = extent.header.descriptorOffset * VMDKHeader.sectorSize
            try changeDescriptor(to: sectors, at: offset) { () throws(StorageError) in try extent.writeHeader() }
            try file.file.synchronize()
        }
    }

    /// How a size is changed that can be.
    private enum Resize {
        case flat(ImageFile, sectors: UInt64)
        case sparse(VMDKResizedExtent, sectors: UInt64)
    }

    private func resize(to size: UInt64) throws(StorageError) -> Resize {
        guard size > 0 else { throw refusal("a vmdk image has at least 1 byte") }
        let limit = embedding == nil ? ByteCount.maximum.bytes / 512 * 512 : Self.maximumSparseSize
        guard size <= limit else { throw refusal("it can have at most \(limit) bytes") }
        let sectors = VMDKHeader.sectors(of: size)
        if let embedding {
            guard !embedding.header.isCompressed else {
                throw refusal("it is stream-optimized", hint: "convert it to another subformat")
            }
            guard embedding.header.version < 3 else { throw refusal("its changed blocks are tracked") }
            try validateBacking(sectors, embedding)
            let room = embedding.header.descriptorSectors * VMDKHeader.sectorSize
            guard UInt64(descriptor.resized(to: sectors).count) <= room else {
                throw refusal("its descriptor has no room for the new size")
            }
            return .sparse(try VMDKResizedExtent(embedding, sectors: sectors), sectors: sectors)
        }
        // The extents of other types have sizes of their own.
        guard ["monolithicFlat", "vmfs"].contains(descriptor.createType),
            file.head.starts(with: VMDKDescriptor.signature),
            parts.count == 1, descriptor.extents.count == 1, case .flat(let image, 0) = try source(0)
        else { throw refusal("it has several extents", hint: "convert it to a monolithic image") }
        return .flat(image.file, sectors: sectors)
    }

    /// Behind the image's old end a larger backing file would show.
    private func validateBacking(_ sectors: UInt64, _ extent: VMDKSparseExtent) throws(StorageError) {
        guard let name = descriptor.parentName, sectors > extent.header.capacity else { return }
        let backing = try Self.describe(opener.open(name, namedBy: file))
        guard backing.virtualSize.bytes <= extent.header.virtualSize else {
            throw refusal("its backing file is larger than it, and would show behind its old end")
        }
    }

    private func refusal(_ reason: String, hint: String? = nil) -> StorageError {
        StorageError(
            .notSupported,
            "the size of '\(file.path)' cannot be changed so: \(reason)",
            hint: hint,
            context: StorageError.Context(path: file.path)
        )
    }

    /// Until the descriptor says otherwise, the data's file has at least the old size.
    private func resize(_ data: ImageFile, to sectors: UInt64) throws(StorageError) {
        let size = sectors * VMDKHeader.sectorSize
        let oldSize = virtualSize
        if size > oldSize {
            // What an interrupted change left behind the end would show.
            try data.file.setSize(ByteCount(oldSize))
            try data.file.setSize(ByteCount(size))
            try data.file.synchronize()
        }
        try changeDescriptor(to: sectors, at: 0) { () throws(StorageError) in
            guard size < oldSize else { return }
            try file.file.synchronizeData()
            try data.file.setSize(ByteCount(size))
        }
        try data.file.synchronize()
        try file.file.setSize(ByteCount(UInt64(descriptor.resized(to: sectors).count)))
        try file.file.synchronize()
    }

    /// Writes the descriptor with another size, and does the rest; where that fails the descriptor becomes what it was.
    private func changeDescriptor(
        to sectors: UInt64,
        at offset: UInt64,
        then rest: () throws(StorageError) -> Void
    ) throws(StorageError) {
        let text = descriptor.resized(to: sectors)
        // Both fill the same bytes, so that no part of the longer one stays behind the other, and where the text ends is seen.
        let room = embedding.map { Int(clamping: $0.header.descriptorSectors) * 512 } ?? .max
        let length = min(max(text.count, descriptor.text.count) + 1, room)
        let fill = offset == 0 ? UInt8(ascii: "\n") : 0
        func padded(_ text: [UInt8]) -> [UInt8] { text + [UInt8](repeating: fill, count: length - text.count) }
        do throws(StorageError) {
            try file.file.write(padded(text), 0..<length, at: offset)
            try rest()
        } catch {
            try? file.file.write(padded(descriptor.text), 0..<length, at: offset)
            throw error
        }
    }
}
