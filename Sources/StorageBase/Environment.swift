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
}
