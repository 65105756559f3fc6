internal import CLinux

/// What the program was started with.
package enum Environment {
    /// The value of a variable; an empty one counts as none.
    ///
    /// The corresponding C function is `getenv`.
    package static func value(of name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        let text = unsafe String(cString: value)
        return text.isEmpty ? nil : text
    }

    /// Whether the program runs as root.
    ///
    /// The corresponding C function is `geteuid`.
    package static var isRoot: Bool { geteuid() == 0 }

    /// Whether the program may use the attributes that the kernel keeps from all but the host's own administrators: those
    /// whose names begin with `trusted.` (xattr(7)).
    ///
    /// A container's root may not: its users are mapped (user_namespaces(7)). The corresponding C function is `capget`.
    package static var mayTrustAttributes: Bool {
        guard storlib_is_administrator() == 1 else { return false }
        let map = try? OpenFile("/proc/self/uid_map", .readOnly).readAll(limit: 4096)
        return String(decoding: map ?? [], as: UTF8.self).split(whereSeparator: \.isWhitespace)
            == ["0", "0", "4294967295"]
    }
}
