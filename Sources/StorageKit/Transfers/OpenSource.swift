/// The source of an upload, open.
package enum OpenSource: Sendable {
    /// A file or a device with positions, and which part of it is meant.
    case file(SourceFile, Range<UInt64>)
    /// A pipe, a socket or a terminal.
    case stream(SourceFile)
    case chunks(@Sendable () throws -> [UInt8]?)

    /// The file that all copies of the value share.
    package final class SourceFile: Sendable {
        package let file: OpenFile

        init(_ file: consuming OpenFile) {
            self.file = file
        }
    }

    package init(_ source: UploadSource) throws(StorageError) {
        switch source {
        case .file(let path): self = try OpenSource(SourceFile(OpenFile(path, .readOnly)), start: 0)
        case .descriptor(let descriptor, let name):
            let source = try SourceFile(OpenFile(duplicating: descriptor, path: name))
            self = try OpenSource(source, start: source.file.position)
        case .chunks(let next): self = .chunks(next)
        }
    }

    private init(_ source: SourceFile, start: UInt64?) throws(StorageError) {
        let path = source.file.path
        guard try source.file.status().kind != .directory else {
            throw StorageError(.invalidArgument, "'\(path)' is a directory, and has no bytes to upload")
        }
        guard let start, let size = try? source.file.contentSize() else {
            self = .stream(source)
            return
        }
        // The search for the end has moved the position.
        source.file.restorePosition(start)
        // A file such as those of /proc does not know its size.
        self = size > 0 ? .file(source, min(start, size)..<size) : .stream(source)
    }

    /// The number of bytes; nil where nobody knows.
    package var size: UInt64? {
        switch self {
        case .file(_, let range): range.upperBound - range.lowerBound
        case .stream, .chunks: nil
        }
    }

    /// Which file it is; nil where it is none.
    package func identity() throws(StorageError) -> FileIdentity? {
        switch self {
        case .file(let source, _), .stream(let source): try source.file.status().identity
        case .chunks: nil
        }
    }
}
