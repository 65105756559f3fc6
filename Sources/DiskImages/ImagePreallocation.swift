/// What of an image is set aside before a guest writes.
public enum ImagePreallocation: String, Sendable, Hashable, Codable, CaseIterable {
    /// Nothing.
    case off
    /// The tables, for all clusters; the clusters have no blocks.
    case metadata
    /// The tables, and blocks for all clusters that are not written to.
    case falloc
    /// The tables, and all clusters filled with zeros.
    case full
}
