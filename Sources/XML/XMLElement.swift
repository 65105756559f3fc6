package import StorageBase

/// An element of a document: its attributes, its children and the text in it.
package struct XMLElement: Sendable {
    package let document: XMLDocument
    let index: Int

    /// The name without its namespace's prefix.
    package var name: String { document.nodes[index].name }

    /// The namespace's URI, or nil.
    package var namespace: String? { document.nodes[index].namespace }

    package var attributes: ArraySlice<XMLAttribute> { document.attributes[document.nodes[index].attributes] }

    package var hasAttributes: Bool { !document.nodes[index].attributes.isEmpty }

    package var hasChildren: Bool { document.nodes[index].firstChild != nil }

    /// The text of the element itself, without that of its children.
    package var text: String { document.nodes[index].text }

    /// The child elements in their order.
    package var children: Children { Children(document: document, upcoming: document.nodes[index].firstChild) }

    /// The first child element of a name without a namespace.
    package func firstChild(_ name: String) -> XMLElement? {
        var index = document.nodes[index].firstChild
        while let candidate = index {
            if document.nodes[candidate].namespace == nil, document.nodes[candidate].name == name {
                return XMLElement(document: document, index: candidate)
            }
            index = document.nodes[candidate].nextSibling
        }
        return nil
    }

    /// An error at the start tag of this element.
    package func error(_ message: String) -> StorageError {
        document.error(message, endOffset: document.nodes[index].endOffset)
    }

    package struct Children: Sequence, IteratorProtocol, Sendable {
        let document: XMLDocument
        var upcoming: Int?

        package mutating func next() -> XMLElement? {
            guard let index = upcoming else { return nil }
            upcoming = document.nodes[index].nextSibling
            return XMLElement(document: document, index: index)
        }
    }
}

extension XMLElement: Equatable {
    package static func == (left: XMLElement, right: XMLElement) -> Bool {
        left.document === right.document && left.index == right.index
    }
}

/// An attribute of an element.
package struct XMLAttribute: Sendable {
    package let name: String
    package let namespace: String?
    package let value: String
}

extension XMLElement: CustomStringConvertible {
    /// The tag, and its namespace where it has one.
    package var description: String {
        "<\(name)>" + (namespace.map { " of namespace '\($0)'" } ?? "")
    }
}
