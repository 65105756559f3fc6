package import StorageBase

/// A document read by libxml2: well-formed, UTF-8, without a DOCTYPE and so without entities of its own.
package final class XMLDocument: Sendable {
    /// The largest document that is read: pool and volume documents have a few KiB.
    package static let maximumByteCount = 1 << 20
    /// The deepest nesting that is read: pool and volume documents have six levels.
    package static let maximumDepth = 32

    /// The file's name, or what stands for it in errors.
    package let name: String
    private let bytes: [UInt8]
    let nodes: [Node]
    let attributes: [XMLAttribute]

    /// An element, among the others in the order of their start tags.
    struct Node: Sendable {
        let name: String
        let namespace: String?
        let attributes: Range<Int>
        /// Where its start tag ends in the document.
        let endOffset: Int
        var text = ""
        var firstChild: Int?
        var lastChild: Int?
        var nextSibling: Int?
    }

    /// Reads a document.
    ///
    /// The corresponding C function is `xmlCtxtReadDoc`.
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
        // libxml2 takes the bytes for UTF-8 whatever the document declares, and so positions are those of these bytes. Only
        // of UTF-16 it would not: there every other byte of a document is zero, or it begins with one of these.
        guard !XMLTreeBuilder.containsZero(bytes), !bytes.starts(with: [0xFF]), !bytes.starts(with: [0xFE]) else {
            throw Self.error("the document is not in UTF-8", name: name, line: 1, column: 1)
        }
        let builder = XMLTreeBuilder()
        builder.parse(bytes)
        if let failure = builder.failure {
            throw Self.error(failure.message, name: name, line: failure.line, column: failure.column)
        }
        if let refusal = builder.refusal {
            let (line, column) = Self.position(endOffset: refusal.endOffset, in: bytes)
            throw Self.error(refusal.message, name: name, line: line, column: column)
        }
        guard !builder.tree.nodes.isEmpty else {
            throw Self.error("the document has no element", name: name, line: 1, column: 1)
        }
        self.name = name
        self.bytes = bytes
        nodes = builder.tree.nodes
        attributes = builder.tree.attributes
    }

    /// The first element.
    package var root: XMLElement { XMLElement(document: self, index: 0) }

    func error(_ message: String, endOffset: Int) -> StorageError {
        let (line, column) = Self.position(endOffset: endOffset, in: bytes)
        return Self.error(message, name: name, line: line, column: column)
    }

    /// The place of a tag that ends at an offset; no `<` can stand inside one (XML 1.0, 2.3 AttValue).
    private static func position(endOffset: Int, in bytes: [UInt8]) -> (line: Int, column: Int) {
        let offset = bytes.prefix(max(endOffset, 0)).lastIndex(of: UInt8(ascii: "<")) ?? 0
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
