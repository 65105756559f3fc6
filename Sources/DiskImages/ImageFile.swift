package import StorageBase

/// A file that holds a disk image, or a part of one.
package final class ImageFile: Sendable {
    package let file: OpenFile
    /// The size of the file in bytes when it was opened.
    package let size: UInt64
    /// The first bytes, at most ``headLength``: what tells the format, and holds most headers whole.
    package let head: [UInt8]
    /// Whether the file is written to while it is open: then each read asks the file anew.
    private let isChanging: Bool

    package static let headLength = 4096
    /// The last bytes in which some formats have their signature.
    package static let tailLength = 512

    package var path: String { file.path }

    /// Takes a file that is open for reading, and reads its first bytes.
    ///
    /// - Parameters:
    ///   - size: The file's size, where it is known.
    ///   - isChanging: Whether the file is written to while it is open.
    package init(
        _ file: consuming OpenFile,
        size knownSize: UInt64? = nil,
        isChanging: Bool = false
    ) throws(StorageError) {
        let size = if let knownSize { knownSize } else { try file.contentSize() }
        head = try file.read(count: Int(min(size, UInt64(Self.headLength))), at: 0)
        self.file = file
        self.size = size
        self.isChanging = isChanging
    }

    /// Takes a file that is open for reading and writing, and that has no image in it yet.
    package init(empty file: consuming OpenFile) {
        self.file = file
        size = 0
        head = []
        isChanging = true
    }

    /// Reads exactly so many bytes; `what` names the structure in the error where the file ends before.
    package func bytes(
        at offset: UInt64,
        count: Int,
        _ what: @autoclosure () -> String
    ) throws(StorageError) -> [UInt8] {
        let (end, overflow) = offset.addingReportingOverflow(UInt64(count))
        if !overflow, !isChanging, end <= UInt64(head.count) { return Array(head[Int(offset)..<Int(end)]) }
        guard !overflow, end <= (isChanging ? ByteCount.maximum.bytes : size) else {
            throw endsInside(what(), at: offset)
        }
        let bytes = try file.read(count: count, at: offset)
        guard bytes.count == count else { throw endsInside(what(), at: offset) }
        return bytes
    }

    /// Reads a table of 64-bit integers.
    package func table(
        at offset: UInt64,
        count: Int,
        isBigEndian: Bool,
        _ what: @autoclosure () -> String
    ) throws(StorageError) -> [UInt64] {
        let bytes = try bytes(at: offset, count: count * 8, what())
        let span = bytes.span
        var entries: [UInt64] = []
        entries.reserveCapacity(count)
        for index in 0..<count {
            try entries.append(
                isBigEndian ? span.bigEndian(UInt64.self, at: index * 8) : span.littleEndian(UInt64.self, at: index * 8)
            )
        }
        return entries
    }

    private func endsInside(_ what: String, at offset: UInt64) -> StorageError {
        damaged("the file of \(size) bytes ends inside \(what)", at: offset)
    }

    /// Refuses to take what is behind the file's end for zeros, where another program has cut it.
    ///
    /// The last cluster of an image may end behind its file, and is zeros there.
    ///
    /// - Parameter offset: Where the file ended for who read it.
    package func checkEnd(at offset: UInt64) throws(StorageError) {
        guard !isChanging, offset < size else { return }
        throw StorageError(
            .inputOutput,
            "'\(path)' became smaller while it was read: it had \(size) bytes and ends at \(offset)",
            hint: "keep other programs from it, and try again",
            context: StorageError.Context(path: path, byteOffset: ByteCount(offset))
        )
    }

    /// The error for content that makes no sense.
    package func damaged(_ reason: String, at offset: UInt64) -> StorageError {
        StorageError(
            .damagedImage,
            "'\(path)' is damaged: \(reason), at byte \(offset)",
            context: StorageError.Context(path: path, byteOffset: ByteCount(offset))
        )
    }

    /// The error for content that is in order, and that this library cannot handle.
    package func unsupported(_ reason: String, at offset: UInt64) -> StorageError {
        StorageError(
            .notSupported,
            "'\(path)' cannot be used: \(reason), at byte \(offset)",
            context: StorageError.Context(path: path, byteOffset: ByteCount(offset))
        )
    }
}
