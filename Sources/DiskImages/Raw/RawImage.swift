package import StorageBase

/// A plain file: its bytes are the disk's, and its holes the disk's.
package final class RawImage: DiskImage {
    package static var format: ImageFormat { .raw }

    package let file: ImageFile
    package let description: ImageDescription
    /// The data or hole that was found last; a file system asked for each extent anew would take long.
    private var last: ImageExtent?

    package static func describe(_ file: ImageFile) throws(StorageError) -> ImageDescription {
        ImageDescription(format: .raw, virtualSize: ByteCount(file.size))
    }

    package init(_ file: ImageFile, opener: ImageOpener) throws(StorageError) {
        self.file = file
        description = try Self.describe(file)
    }

    package func extent(at offset: UInt64) throws(StorageError) -> ImageExtent {
        if let last, last.range.contains(offset) { return last }
        let found: ImageExtent
        do throws(StorageError) {
            let data = try file.file.nextData(from: offset)
            // Behind its end a file looks as a hole does.
            if data == nil { try file.checkEnd(at: file.file.contentSize()) }
            let start = min(data ?? file.size, file.size)
            if start > offset {
                found = ImageExtent(offset..<start, .unallocated)
            } else {
                let end = try min(max(file.file.nextHole(from: offset), offset + 1), file.size)
                found = ImageExtent(offset..<end, .data(file, offset: offset))
            }
        } catch {
            // A device, or a file system without holes: all is data.
            guard error.code == .invalidArgument || error.code == .notSupported else { throw error }
            found = ImageExtent(offset..<file.size, .data(file, offset: offset))
        }
        last = found
        return found
    }

    package func check(_ check: inout ImageCheck, cancellation: Cancellation) throws(StorageError) {
        check.endOffset = ByteCount(file.size)
    }
}
