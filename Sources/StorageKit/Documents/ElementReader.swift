import XML

/// Reads an element strictly: what it does not know, or finds twice, it refuses, so that nothing is lost in silence.
struct ElementReader {
    let document: XMLDocument
    let element: XMLElement

    init(_ document: XMLDocument, _ element: XMLElement) {
        self.document = document
        self.element = element
    }

    func error(_ message: String) -> StorageError {
        document.error(message, at: element)
    }

    /// Refuses attributes and child elements other than those named, text between children, and a second child of a
    /// name that is not in `repeated`.
    func expect(
        attributes: [String] = [],
        children: [String] = [],
        repeated: [String] = [],
        foreignChildren: [XMLElement] = []
    ) throws(StorageError) {
        for attribute in element.attributes where attribute.namespace == nil && !attributes.contains(attribute.name) {
            throw error("<\(element.name)> has no attribute '\(attribute.name)'\(Self.known(attributes))")
        }
        var seen: [String] = []
        for child in element.children where child.namespace == nil {
            guard children.contains(child.name) || repeated.contains(child.name) else {
                throw document.error(
                    "<\(child.name)> is not known inside <\(element.name)>\(Self.known(children + repeated))",
                    at: child
                )
            }
            guard !repeated.contains(child.name) else { continue }
            guard !seen.contains(child.name) else {
                throw document.error("<\(child.name)> occurs twice inside <\(element.name)>", at: child)
            }
            seen.append(child.name)
        }
        for child in element.children where child.namespace != nil {
            guard foreignChildren.contains(where: { $0.byteOffset == child.byteOffset }) else {
                throw document.error(
                    "<\(child.name)> of namespace '\((child.namespace ?? "").printable)' is not known "
                        + "inside <\(element.name)>",
                    at: child
                )
            }
        }
        if !element.children.isEmpty || !(children + repeated).isEmpty {
            let stray = element.text.trimmed
            if !stray.isEmpty { throw error("<\(element.name)> holds the stray text '\(stray.printable)'") }
        }
    }

    private static func known(_ names: [String]) -> String {
        names.isEmpty ? "" : "; known are \(names.joined(separator: ", "))"
    }

    func child(_ name: String) -> ElementReader? {
        element.children.first { $0.name == name && $0.namespace == nil }.map { ElementReader(document, $0) }
    }

    func children(_ name: String, namespace: String? = nil) -> [ElementReader] {
        element.children
            .filter { $0.name == name && $0.namespace == namespace }
            .map { ElementReader(document, $0) }
    }

    /// The value of an attribute; an empty one counts as none.
    func attribute(_ name: String) -> String? {
        let value = element.attributes.first { $0.name == name && $0.namespace == nil }?.value
        return value?.isEmpty == true ? nil : value
    }

    func requiredAttribute(_ name: String) throws(StorageError) -> String {
        guard let value = attribute(name) else { throw error("<\(element.name)> needs the attribute '\(name)'") }
        return value
    }

    /// The text of a child that has text alone; an empty one counts as none.
    func text(of name: String, attributes: [String] = []) throws(StorageError) -> String? {
        guard let child = child(name) else { return nil }
        try child.expect(attributes: attributes)
        return child.element.text.isEmpty ? nil : child.element.text
    }

    /// Runs a check whose error gets this element's place.
    func check<Result>(_ body: () throws(StorageError) -> Result) throws(StorageError) -> Result {
        do throws(StorageError) {
            return try body()
        } catch {
            let place = self.error(error.message).context
            throw StorageError(error.code, error.message, hint: error.hint, context: place, cause: error)
        }
    }
}

extension String {
    /// The text without white space around it.
    var trimmed: String {
        guard let first = firstIndex(where: { !$0.isWhitespace }),
            let last = lastIndex(where: { !$0.isWhitespace })
        else { return "" }
        return String(self[first...last])
    }
}
