/// The format of a pool's source: a file system, a network file system, a partition table or LVM's metadata.
///
/// ``PoolKind/sourceFormats`` lists those of each kind of pool.
public struct PoolFormat: RawRepresentable, Hashable, Sendable, Codable, ExpressibleByStringLiteral {
    /// The value of `<source><format type>`.
    public let rawValue: String

    /// Makes a format of the value of `<source><format type>`.
    public init(rawValue: String) {
        self.rawValue = rawValue
    }

    /// Makes a format of the value of `<source><format type>`.
    public init(stringLiteral value: String) {
        rawValue = value
    }
}

extension PoolFormat: CustomStringConvertible {
    /// The value of `<source><format type>`.
    public var description: String { rawValue }
}
