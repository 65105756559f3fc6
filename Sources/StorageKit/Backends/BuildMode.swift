/// What a build may do to data that it finds.
public enum BuildMode: String, Hashable, Sendable, Codable {
    /// What the kind of pool does by default, which never destroys data.
    case standard
    /// Refuse where there is anything already.
    case noOverwrite
    /// Destroy what there is.
    case overwrite
}
