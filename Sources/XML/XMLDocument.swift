private import CXML2
package import StorageBase

/// A document read by libxml2: well-formed, UTF-8, without a DOCTYPE and so without entities of its own.
package struct XMLDocument: Sendable {
    /// The largest document that is read: pool and volume documents have a few KiB.
    package static let maximumByteCount = 1 << 20
    /// The deepest nesting that is read: pool and volume documents have six levels.
    package static let maximumDepth = 32

    /// The file's name, or what stands for it in errors.
    package let name: String
    package let root: XMLElement
    private let bytes: [UInt8]

    /// Reads a document.
    ///
    /// The corresponding C function is `xmlCtxtReadMemory`.
    ///
    /// - Throws: `StorageError` with code `invalidDocument`, with line and column.
    package init(_ bytes: [UInt8], name: String) throws(StorageError) {
        guard bytes.count <= Self.maximumByteCount else {
            throw Self.error(
                "the document is larger than \(Self.maximumByteCount) bytes",
                name: name,
                line: 1,
                column: 1
            )
        }
        self.name = name
        self.bytes = bytes
        let builder = XMLTreeBuilder()
        builder.parse(bytes)
        if let failure = builder.failure {
            throw Self.error(failure.message, name: name, line: failure.line, column: failure.column)
        }
        if let refusal = builder.refusal {
            let (line, column) = Self.position(of: refusal.byteOffset, in: bytes)
            throw Self.error(refusal.message, name: name, line: line, column: column)
        }
        guard let root = builder.root else {
            throw Self.error("the document has no element", name: name, line: 1, column: 1)
        }
        self.root = root
    }

    /// An error at an element of this document.
    package func error(_ message: String, at element: XMLElement) -> StorageError {
        let (line, column) = Self.position(of: element.byteOffset, in: bytes)
        return Self.error(message, name: name, line: line, column: column)
    }

    private static func position(of offset: Int, in bytes: [UInt8]) -> (line: Int, column: Int) {
        let before = bytes.prefix(offset)
        let lineStart = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        return (before.count { $0 == UInt8(ascii: "\n") } + 1, offset - lineStart + 1)
    }

    private static func error(_ message: String, name: String, line: Int, column: Int) -> StorageError {
        StorageError(
            .invalidDocument,
            message,
            context: StorageError.Context(path: name, line: line, column: column)
        )
    }
}
