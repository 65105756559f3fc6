/// An element of a document: its attributes, its children and the text in it.
package struct XMLElement: Sendable {
    /// The name without its namespace's prefix.
    package let name: String
    /// The namespace's URI, or nil.
    package let namespace: String?
    package let attributes: [XMLAttribute]
    package internal(set) var children: [XMLElement] = []
    /// The text of the element itself, without that of its children.
    package internal(set) var text = ""
    /// Where its start tag begins in the document.
    package let byteOffset: Int
}

/// An attribute of an element.
package struct XMLAttribute: Sendable {
    package let name: String
    package let namespace: String?
    package let value: String
}
