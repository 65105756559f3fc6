public import StorageBase

/// What the header of a disk image says.
public struct ImageDescription: Hashable, Sendable, Codable {
    /// The format.
    public var format: ImageFormat
    /// The version of the format, as its header numbers it: `3` of qcow2, `1.0` of VHD.
    public var version: String?
    /// The variety of the format, in its own words: `dynamic`, `monolithicSparse`.
    public var subformat: String?
    /// The size that a guest sees.
    public var virtualSize: ByteCount
    /// The unit in which the format allocates: cluster, block or grain.
    public var clusterSize: ByteCount?
    /// The oldest QEMU that can read it, for qcow2: `0.10` or `1.1`.
    public var compatibility: String?
    /// The optional features that are in use, by the names of their specification.
    public var features: [String]
    /// The algorithm of compressed clusters, where the header names one: `zlib` or `zstd`.
    public var compression: String?
    /// How the content is encrypted: `aes`, `luks`; nil where it is not.
    public var encryption: String?
    /// The image of which this one holds the differences, as the header names it.
    public var backing: Backing?
    /// The other files that hold the data, as the image names them.
    public var dataFiles: [String]
    /// The number of internal snapshots.
    public var snapshotCount: Int
    /// Whether the last writer did not close the image: its reference counts, or its log, need a repair.
    public var isDirty: Bool
    /// Whether the image is marked as damaged.
    public var isCorrupt: Bool

    /// Makes a description of a format and a size.
    public init(format: ImageFormat, virtualSize: ByteCount) {
        self.format = format
        self.virtualSize = virtualSize
        features = []
        dataFiles = []
        snapshotCount = 0
        isDirty = false
        isCorrupt = false
    }

    /// The image of which another one holds the differences.
    public struct Backing: Hashable, Sendable, Codable {
        /// The name, as the header has it: relative to the image, absolute, or a URL.
        public var name: String
        /// The format, where the header has it.
        public var format: ImageFormat?

        /// Makes a reference of its parts.
        public init(name: String, format: ImageFormat? = nil) {
            self.name = name
            self.format = format
        }
    }
}
