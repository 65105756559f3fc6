private import CXML2

/// Builds elements from the parser's events (the SAX2 interface of libxml2).
final class XMLTreeBuilder {
    /// What libxml2 found not well-formed, first.
    private(set) var failure: (line: Int, column: Int, message: String)?
    /// What is well-formed and refused here.
    private(set) var refusal: (endOffset: Int, message: String)?
    private(set) var tree = Tree()

    /// What has been read so far.
    struct Tree {
        var nodes: [XMLDocument.Node] = []
        var attributes: [XMLAttribute] = []
        /// The elements whose end tag is still to come.
        var open: [Int] = []

        init() {
            // As many as a pool's document has.
            nodes.reserveCapacity(32)
            attributes.reserveCapacity(16)
            open.reserveCapacity(8)
        }
    }

    /// The corresponding C function is `memchr`.
    static func containsZero(_ bytes: [UInt8]) -> Bool {
        unsafe bytes.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { return false }
            return unsafe memchr(start, 0, bytes.count) != nil
        }
    }

    func parse(_ bytes: [UInt8]) {
        Self.initializeLibrary
        guard let parser = unsafe xmlNewParserCtxt() else {
            failure = (1, 1, "libxml2 has no memory for a parser")
            return
        }
        defer { unsafe xmlFreeParserCtxt(parser) }
        // SAFETY: parser, sax, handlers and self live until the parse has returned, and libxml2 calls back on this thread
        // alone, with the parser context as user data, whose _private leads to self.
        var sax = unsafe Self.callbacks
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        var handlers = unsafe storlib_xml_handlers(context: context) { context, line, column, message in
            let builder = unsafe Unmanaged<XMLTreeBuilder>.fromOpaque(context).takeUnretainedValue()
            let text = unsafe message.map { unsafe String(cString: $0) } ?? "not well-formed"
            builder.fail(line: Int(line), column: Int(column), text)
        }
        unsafe withUnsafeMutablePointer(to: &handlers) { handlers in
            unsafe storlib_xml_install(parser, &sax, handlers)
            unsafe (bytes + [0])
                .withUnsafeBufferPointer { text in
                    // Without a startDocument callback no tree is built and the result is NULL.
                    _ = unsafe xmlCtxtReadDoc(parser, text.baseAddress, nil, nil, storlib_xml_options())
                }
            withExtendedLifetime(self) {}
        }
    }

    /// Once, and before any thread parses (xmlInitParser).
    private static let initializeLibrary: Void = storlib_xml_initialize()

    private static var callbacks: xmlSAXHandler {
        var sax = unsafe xmlSAXHandler()
        unsafe sax.internalSubset = { parser, _, _, _ in
            if let parser = unsafe parser {
                unsafe XMLTreeBuilder.of(parser).refuse("a DOCTYPE is not allowed", parser)
            }
        }
        unsafe sax.startElementNs = { parser, name, _, namespace, _, _, attributeCount, _, attributes in
            guard let parser = unsafe parser, let name = unsafe name else { return }
            unsafe XMLTreeBuilder.of(parser).start(parser, name, namespace, attributes, Int(attributeCount))
        }
        unsafe sax.endElementNs = { parser, _, _, _ in
            if let parser = unsafe parser { unsafe XMLTreeBuilder.of(parser).end() }
        }
        let text: charactersSAXFunc = { parser, characters, count in
            guard let parser = unsafe parser, let characters = unsafe characters else { return }
            let bytes = unsafe UnsafeBufferPointer(start: characters, count: Int(count))
            unsafe XMLTreeBuilder.of(parser).tree.append(bytes)
        }
        unsafe sax.characters = text
        unsafe sax.ignorableWhitespace = text
        unsafe sax.cdataBlock = text
        return unsafe sax
    }

    private static func of(_ parser: UnsafeMutableRawPointer) -> XMLTreeBuilder {
        unsafe Unmanaged<XMLTreeBuilder>.fromOpaque(storlib_xml_context(parser)).takeUnretainedValue()
    }

    private func start(
        _ parser: UnsafeMutableRawPointer,
        _ name: UnsafePointer<UInt8>,
        _ namespace: UnsafePointer<UInt8>?,
        _ fields: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
        _ attributeCount: Int
    ) {
        if tree.open.count == XMLDocument.maximumDepth {
            unsafe refuse("elements are nested deeper than \(XMLDocument.maximumDepth) levels", parser)
        }
        unsafe tree.start(
            name: String(cString: name),
            namespace: namespace.map { unsafe String(cString: $0) },
            fields,
            attributeCount,
            endOffset: storlib_xml_position(parser)
        )
    }

    private func end() {
        _ = tree.open.popLast()
    }

    private func fail(line: Int, column: Int, _ message: String) {
        guard failure == nil, refusal == nil else { return }
        let sentence = message.split(whereSeparator: \.isNewline).joined(separator: " ")
        let isEncoding = sentence.hasPrefix("Input is not proper UTF-8")
        let text = isEncoding ? "the document is not in UTF-8" : "not well-formed XML: \(sentence)"
        failure = (max(line, 1), max(column, 1), text)
    }

    private func refuse(_ message: String, _ parser: UnsafeMutableRawPointer) {
        guard failure == nil, refusal == nil else { return }
        refusal = (unsafe storlib_xml_position(parser), message)
        unsafe storlib_xml_stop(parser)
    }
}

extension XMLTreeBuilder.Tree {
    fileprivate mutating func start(
        name: String,
        namespace: String?,
        _ fields: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
        _ attributeCount: Int,
        endOffset: Int
    ) {
        let index = nodes.count
        if let parent = open.last {
            if let sibling = nodes[parent].lastChild {
                nodes[sibling].nextSibling = index
            } else {
                nodes[parent].firstChild = index
            }
            nodes[parent].lastChild = index
        }
        let firstAttribute = attributes.count
        unsafe appendAttributes(fields, count: attributeCount)
        nodes.append(
            XMLDocument.Node(
                name: name,
                namespace: namespace,
                attributes: firstAttribute..<attributes.count,
                endOffset: endOffset
            )
        )
        open.append(index)
    }

    /// Five pointers an attribute: name, prefix, namespace, start and end of the value.
    private mutating func appendAttributes(_ fields: UnsafeMutablePointer<UnsafePointer<UInt8>?>?, count: Int) {
        guard let fields = unsafe fields else { return }
        for index in 0..<count {
            let field = unsafe fields + 5 * index
            guard let name = unsafe field[0], let start = unsafe field[3], let end = unsafe field[4] else { continue }
            let value = unsafe UnsafeBufferPointer(start: start, count: end - start)
            unsafe attributes.append(
                XMLAttribute(
                    name: String(cString: name),
                    namespace: field[2].map { unsafe String(cString: $0) },
                    value: String(decoding: value, as: UTF8.self)
                )
            )
        }
    }

    fileprivate mutating func append(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard let element = open.last else { return }
        // White space between child elements is most of the text of a document, and nobody's value.
        if nodes[element].firstChild != nil, unsafe bytes.allSatisfy({ $0 <= 0x20 }) { return }
        nodes[element].text += unsafe String(decoding: bytes, as: UTF8.self)
    }
}
