/// The volume of which another one holds the differences.
public struct BackingFile: Hashable, Sendable, Codable {
    /// The path.
    public var path: String
    /// The format; nil where the kind of pool has no formats.
    public var format: VolumeFormat?
    /// The permissions, for information.
    public var permissions: Permissions

    /// Makes a backing file of its path and format.
    public init(path: String, format: VolumeFormat? = nil) {
        self.path = path
        self.format = format
        permissions = Permissions()
    }
}
