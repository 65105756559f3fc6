import XML

/// Reads an element strictly: what it does not know, or finds twice, it refuses, so that nothing is lost in silence.
struct ElementReader {
    let element: XMLElement

    init(_ element: XMLElement) {
        self.element = element
    }

    func error(_ message: String) -> StorageError {
        element.error(message)
    }

    /// Refuses attributes and child elements other than those named, text between children, and a second child of a
    /// name that is not in `repeated`.
    func expect(
        attributes: [String] = [],
        children: [String] = [],
        repeated: [String] = [],
        foreignChildren: [ElementReader] = []
    ) throws(StorageError) {
        if element.hasAttributes {
            for attribute in element.attributes {
                guard attribute.namespace == nil, attributes.contains(attribute.name) else {
                    throw error("<\(element.name)> has no attribute '\(attribute.name)'\(Self.known(attributes))")
                }
            }
        }
        if element.hasChildren {
            try expectChildren(children, repeated, foreignChildren.map(\.element))
        }
        if !children.isEmpty || !repeated.isEmpty {
            let stray = element.text.trimmed
            if !stray.isEmpty { throw error("<\(element.name)> holds the stray text '\(stray.printable)'") }
        }
    }

    private func expectChildren(
        _ known: [String],
        _ repeated: [String],
        _ foreign: [XMLElement]
    ) throws(StorageError) {
        var seen: UInt64 = 0
        for child in element.children {
            if child.namespace != nil {
                guard foreign.contains(child) else {
                    throw child.error(
                        "<\(child.name)> of namespace '\((child.namespace ?? "").printable)' is not known "
                            + "inside <\(element.name)>"
                    )
                }
            } else if let position = known.firstIndex(of: child.name) {
                guard seen & 1 << position == 0 else {
                    throw child.error("<\(child.name)> occurs twice inside <\(element.name)>")
                }
                seen |= 1 << position
            } else if !repeated.contains(child.name) {
                throw child.error(
                    "<\(child.name)> is not known inside <\(element.name)>\(Self.known(known + repeated))"
                )
            }
        }
    }

    private static func known(_ names: [String]) -> String {
        names.isEmpty ? "" : "; known are \(names.joined(separator: ", "))"
    }

    func child(_ name: String) -> ElementReader? {
        element.firstChild(name).map { ElementReader($0) }
    }

    func children(_ name: String, namespace: String? = nil) -> [ElementReader] {
        var found: [ElementReader] = []
        for child in element.children where child.name == name && child.namespace == namespace {
            found.append(ElementReader(child))
        }
        return found
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
            throw placed(error)
        }
    }

    /// An error with this element's place.
    func placed(_ error: StorageError) -> StorageError {
        let place = self.error(error.message).context
        return StorageError(error.code, error.message, hint: error.hint, context: place, cause: error)
    }
}

extension String {
    /// The text without white space around it, as XML has it (2.3 of XML 1.0).
    var trimmed: String {
        func isWhiteSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0A || byte == 0x09 || byte == 0x0D }
        guard let first = utf8.firstIndex(where: { !isWhiteSpace($0) }),
            let last = utf8.lastIndex(where: { !isWhiteSpace($0) })
        else { return "" }
        return String(self[first...last])
    }
}
