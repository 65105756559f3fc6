private import CXML2

/// Builds elements from the parser's events (the SAX2 interface of libxml2).
final class XMLTreeBuilder {
    /// What libxml2 found not well-formed, first.
    private(set) var failure: (line: Int, column: Int, message: String)?
    /// What is well-formed and refused here.
    private(set) var refusal: (byteOffset: Int, message: String)?
    private(set) var root: XMLElement?

    private var open: [XMLElement] = []
    private var bytes: [UInt8] = []

    func parse(_ bytes: [UInt8]) {
        storlib_xml_initialize()
        guard let parser = unsafe xmlNewParserCtxt() else {
            failure = (1, 1, "libxml2 has no memory for a parser")
            return
        }
        defer { unsafe xmlFreeParserCtxt(parser) }
        self.bytes = bytes
        var sax = unsafe Self.callbacks
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        var handlers = unsafe storlib_xml_handlers(context: context) { context, line, column, message in
            let builder = unsafe Unmanaged<XMLTreeBuilder>.fromOpaque(context).takeUnretainedValue()
            let text = unsafe message.map { unsafe String(cString: $0) } ?? "not well-formed"
            builder.fail(line: Int(line), column: Int(column), text)
        }
        unsafe withUnsafeMutablePointer(to: &handlers) { handlers in
            unsafe storlib_xml_install(parser, &sax, handlers)
            unsafe bytes.withUnsafeBytes { bytes in
                let start = unsafe bytes.bindMemory(to: CChar.self).baseAddress
                // Without a startDocument callback no tree is built and the result is NULL.
                _ = unsafe xmlCtxtReadMemory(parser, start, Int32(bytes.count), nil, "UTF-8", storlib_xml_options())
            }
            withExtendedLifetime(self) {}
        }
    }

    private static var callbacks: xmlSAXHandler {
        var sax = unsafe xmlSAXHandler()
        unsafe sax.internalSubset = { parser, _, _, _ in
            if let parser = unsafe parser {
                unsafe XMLTreeBuilder.of(parser).refuse("a DOCTYPE is not allowed", parser)
            }
        }
        unsafe sax.startElementNs = { parser, name, _, namespace, _, _, attributeCount, _, attributes in
            guard let parser = unsafe parser, let name = unsafe name else { return }
            let element = unsafe XMLElement(
                name: String(cString: name),
                namespace: namespace.map { unsafe String(cString: $0) },
                attributes: XMLTreeBuilder.attributes(attributes, count: Int(attributeCount)),
                byteOffset: XMLTreeBuilder.of(parser).startOfTag(storlib_xml_position(parser))
            )
            unsafe XMLTreeBuilder.of(parser).start(element, parser)
        }
        unsafe sax.endElementNs = { parser, _, _, _ in
            if let parser = unsafe parser { unsafe XMLTreeBuilder.of(parser).end() }
        }
        let text: charactersSAXFunc = { parser, characters, count in
            guard let parser = unsafe parser, let characters = unsafe characters else { return }
            let bytes = unsafe UnsafeBufferPointer(start: characters, count: Int(count))
            unsafe XMLTreeBuilder.of(parser).append(String(decoding: bytes, as: UTF8.self))
        }
        unsafe sax.characters = text
        unsafe sax.ignorableWhitespace = text
        unsafe sax.cdataBlock = text
        return unsafe sax
    }

    /// Five pointers an attribute: name, prefix, namespace, start and end of the value.
    private static func attributes(
        _ fields: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
        count: Int
    ) -> [XMLAttribute] {
        guard let fields = unsafe fields else { return [] }
        return (0..<count)
            .compactMap { index in
                let field = unsafe fields + 5 * index
                guard let name = unsafe field[0], let start = unsafe field[3], let end = unsafe field[4] else {
                    return nil
                }
                let value = unsafe UnsafeBufferPointer(start: start, count: end - start)
                return unsafe XMLAttribute(
                    name: String(cString: name),
                    namespace: field[2].map { unsafe String(cString: $0) },
                    value: String(decoding: value, as: UTF8.self)
                )
            }
    }

    private static func of(_ parser: UnsafeMutableRawPointer) -> XMLTreeBuilder {
        unsafe Unmanaged<XMLTreeBuilder>.fromOpaque(storlib_xml_context(parser)).takeUnretainedValue()
    }

    /// The parser stands behind the tag; no `<` can stand inside one (XML 1.0, 2.3 AttValue).
    private func startOfTag(_ position: Int) -> Int {
        let end = min(max(position, 0), bytes.count)
        return bytes[..<end].lastIndex(of: UInt8(ascii: "<")) ?? 0
    }

    private func start(_ element: XMLElement, _ parser: UnsafeMutableRawPointer) {
        if open.count == XMLDocument.maximumDepth {
            unsafe refuse("elements are nested deeper than \(XMLDocument.maximumDepth) levels", parser)
        }
        open.append(element)
    }

    private func end() {
        guard let element = open.popLast() else { return }
        if open.isEmpty {
            root = element
        } else {
            open[open.count - 1].children.append(element)
        }
    }

    private func append(_ text: String) {
        if !open.isEmpty { open[open.count - 1].text += text }
    }

    private func fail(line: Int, column: Int, _ message: String) {
        guard failure == nil, refusal == nil else { return }
        let sentence = message.split(whereSeparator: \.isNewline).joined(separator: " ")
        failure = (max(line, 1), max(column, 1), "not well-formed XML: \(sentence)")
    }

    private func refuse(_ message: String, _ parser: UnsafeMutableRawPointer) {
        guard failure == nil, refusal == nil else { return }
        refusal = (startOfTag(unsafe storlib_xml_position(parser)), message)
        unsafe storlib_xml_stop(parser)
    }
}
