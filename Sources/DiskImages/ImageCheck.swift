public import StorageBase

/// What a look at all tables of an image found.
public struct ImageCheck: Hashable, Sendable, Codable {
    /// Something that is wrong.
    public struct Finding: Hashable, Sendable, Codable {
        /// How bad it is.
        public enum Kind: String, Hashable, Sendable, Codable {
            /// Data is lost, or may be when a guest writes.
            case corruption
            /// Space is taken that nothing refers to.
            case leak
        }

        /// How bad it is.
        public let kind: Kind
        /// What is wrong.
        public let message: String
        /// Where, in the image's file.
        public let offset: ByteCount
    }

    /// The first things that are wrong, at most ``maximumFindings``.
    public private(set) var findings: [Finding] = []
    /// How many tables or clusters are damaged.
    public private(set) var corruptionCount = 0
    /// How many clusters nothing refers to.
    public private(set) var leakCount = 0
    /// How many leaked clusters were freed.
    public package(set) var repairedCount = 0
    /// How many units of the guest's disk hold data.
    public package(set) var allocatedUnits: UInt64 = 0
    /// How many units the guest's disk has; nil for a format without units.
    public package(set) var totalUnits: UInt64?
    /// Where in the file the last unit ends that is in use.
    public package(set) var endOffset: ByteCount = .zero

    /// How many findings are kept; the rest is counted.
    public static let maximumFindings = 100

    /// Whether nothing is wrong.
    public var isClean: Bool { corruptionCount == 0 && leakCount == 0 }

    package init() {}

    /// Adds something that is wrong.
    ///
    /// - Parameter count: How many tables or clusters it concerns.
    package mutating func add(
        _ kind: Finding.Kind,
        count: UInt64 = 1,
        _ message: @autoclosure () -> String,
        at offset: UInt64
    ) {
        switch kind {
        case .corruption: corruptionCount += Int(clamping: count)
        case .leak: leakCount += Int(clamping: count)
        }
        if findings.count < Self.maximumFindings {
            findings.append(Finding(kind: kind, message: message(), offset: ByteCount(offset)))
        }
    }

    /// Adds all that another look found.
    package mutating func add(_ other: ImageCheck) {
        findings += other.findings.prefix(Self.maximumFindings - findings.count)
        corruptionCount += other.corruptionCount
        leakCount += other.leakCount
        allocatedUnits += other.allocatedUnits
        endOffset = max(endOffset, other.endOffset)
    }
}
