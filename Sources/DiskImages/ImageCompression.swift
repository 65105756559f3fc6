/// How the clusters of an image are compressed.
public enum ImageCompression: String, Sendable, Hashable, Codable, CaseIterable {
    /// DEFLATE, which every reader of qcow2 knows.
    case zlib
    /// Zstandard, faster and smaller, for readers of compatibility level 1.1 that know it (QEMU 5.1).
    case zstd
}
