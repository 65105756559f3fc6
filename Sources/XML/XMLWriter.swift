/// Writes a document as libvirt does: two spaces a level, single quotes, `& < > " '` escaped, other control characters
/// than tab, newline and carriage return left out (`virBufferEscapeString`).
package struct XMLWriter: Sendable {
    package private(set) var bytes: [UInt8] = []
    private var depth = 0

    package init() {
        bytes.reserveCapacity(1024)
    }

    /// An element with attributes alone; an attribute without a value is left out.
    package mutating func element(_ name: String, _ attributes: KeyValuePairs<String, String?> = [:]) {
        startTag(name, attributes)
        bytes += "/>\n".utf8
    }

    /// An element with text; without text there is no element.
    package mutating func element(_ name: String, _ attributes: KeyValuePairs<String, String?> = [:], text: String?) {
        guard let text else { return }
        startTag(name, attributes)
        bytes.append(UInt8(ascii: ">"))
        escape(text)
        bytes += "</".utf8
        bytes += name.utf8
        bytes += ">\n".utf8
    }

    /// An element with child elements, which may be none.
    package mutating func element(
        _ name: String,
        _ attributes: KeyValuePairs<String, String?> = [:],
        children: (inout XMLWriter) -> Void
    ) {
        startTag(name, attributes)
        bytes += ">\n".utf8
        depth += 1
        children(&self)
        depth -= 1
        indent()
        bytes += "</".utf8
        bytes += name.utf8
        bytes += ">\n".utf8
    }

    private mutating func startTag(_ name: String, _ attributes: KeyValuePairs<String, String?>) {
        indent()
        bytes.append(UInt8(ascii: "<"))
        bytes += name.utf8
        for (name, value) in attributes {
            guard let value else { continue }
            bytes.append(UInt8(ascii: " "))
            bytes += name.utf8
            bytes += "='".utf8
            escape(value)
            bytes.append(UInt8(ascii: "'"))
        }
    }

    private mutating func indent() {
        bytes += repeatElement(UInt8(ascii: " "), count: 2 * depth)
    }

    private mutating func escape(_ text: String) {
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "<"): bytes += "&lt;".utf8
            case UInt8(ascii: ">"): bytes += "&gt;".utf8
            case UInt8(ascii: "&"): bytes += "&amp;".utf8
            case UInt8(ascii: "\""): bytes += "&quot;".utf8
            case UInt8(ascii: "'"): bytes += "&apos;".utf8
            case 0x00...0x08, 0x0B, 0x0C, 0x0E...0x1F: break
            default: bytes.append(byte)
            }
        }
    }
}
