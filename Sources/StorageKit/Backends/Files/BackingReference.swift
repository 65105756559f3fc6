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
    init(_ name: String, in directory: String) {
        let beginning = name.utf8.prefix { $0 != UInt8(ascii: "/") }
        if beginning.contains(UInt8(ascii: ":")) {
            self = .protocol
        } else if !name.hasBytePrefix("/") {
            self = Self.leadsOut(name) ? .outside(path: "\(directory)/\(name)") : .beneath(name)
        } else {
            let prefix = directory.utf8.last == UInt8(ascii: "/") ? directory : directory + "/"
            guard name.hasBytePrefix(prefix) else {
                self = .outside(path: name)
                return
            }
            let rest = String(decoding: name.utf8.dropFirst(prefix.utf8.count), as: UTF8.self)
            self =
                rest.isEmpty || rest.hasBytePrefix("/") || Self.leadsOut(rest) ? .outside(path: name) : .beneath(rest)
        }
    }

    private static func leadsOut(_ path: String) -> Bool {
        path.utf8.split(separator: UInt8(ascii: "/")).contains { $0.elementsEqual("..".utf8) }
    }
}
