/// What came of taking over a definition of libvirt's.
public struct PoolImport: Hashable, Sendable, Codable {
    /// The file of the definition.
    public let file: String
    /// The pool's name, where the file could be read.
    public let pool: String?
    /// Whether the pool is marked to be started at boot.
    public let isAutostarted: Bool
    /// What came of it.
    public let outcome: Outcome
    /// Why it failed.
    public let problem: String?

    /// What came of it.
    public enum Outcome: String, Hashable, Sendable, Codable {
        /// The pool is defined now, or would be.
        case imported
        /// The pool was defined already, and is as it was.
        case alreadyDefined
        /// The pool could not be taken.
        case failed
    }
}
