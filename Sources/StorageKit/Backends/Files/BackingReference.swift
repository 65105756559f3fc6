/// Where the name of a backing file in an image leads to.
enum BackingReference: Hashable, Sendable {
    /// To a file beneath the image's directory, by its path from there; it may still lead out by a link.
    case beneath(String)
    /// To a path that is not beneath the directory.
    case outside(path: String)
    /// To something that is no file: `json:`, `nbd://`.
    case `protocol`

    /// Resolves a name as QEMU does: relative to the directory of the image, unless it is an absolute path or begins with a
    /// protocol.
    ///
    /// - Parameters:
    ///   - directory: The directory that the name may lead out of.
    ///   - prefix: Where the image is beneath it: empty, or directories and a slash.
    init(_ name: String, in directory: String, from prefix: String = "") {
        let beginning = name.utf8.prefix { $0 != UInt8(ascii: "/") }
        if beginning.contains(UInt8(ascii: ":")) {
            self = .protocol
        } else if !name.hasBytePrefix("/") {
            self =
                Self.normalized(prefix + name).map { .beneath($0) } ?? .outside(path: "\(directory)/\(prefix)\(name)")
        } else {
            let parent = directory.utf8.last == UInt8(ascii: "/") ? directory : directory + "/"
            guard name.hasBytePrefix(parent),
                let rest = Self.normalized(String(decoding: name.utf8.dropFirst(parent.utf8.count), as: UTF8.self))
            else {
                self = .outside(path: name)
                return
            }
            self = .beneath(rest)
        }
    }

    /// The path without what changes nothing, so that a file has one name; nil where it leads out.
    ///
    /// `..` stays: the directory before it may be a link, and the system resolves both.
    private static func normalized(_ path: String) -> String? {
        var depth = 0
        var parts: [String] = []
        for part in path.utf8.split(separator: UInt8(ascii: "/")) where !part.elementsEqual(".".utf8) {
            depth += part.elementsEqual("..".utf8) ? -1 : 1
            guard depth >= 0 else { return nil }
            parts.append(String(decoding: part, as: UTF8.self))
        }
        return parts.isEmpty ? "." : parts.joined(separator: "/")
    }
}
