/// A new size for a volume.
public struct VolumeSize: Hashable, Sendable, Codable {
    /// The size that a guest is to see.
    public var capacity: ByteCount
    /// Whether storage is set aside for what is added.
    public var allocates: Bool
    /// Whether the volume may become smaller, which destroys the data behind the new end.
    public var allowsShrinking: Bool

    /// Makes a new size.
    public init(_ capacity: ByteCount, allocates: Bool = false, allowsShrinking: Bool = false) {
        self.capacity = capacity
        self.allocates = allocates
        self.allowsShrinking = allowsShrinking
    }
}
