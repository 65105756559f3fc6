/// A volume by the names of its pool and its own.
public struct VolumeReference: Hashable, Sendable, Codable {
    /// The name of the pool.
    public var pool: String
    /// The name of the volume in it.
    public var name: String

    /// Makes a reference of two names.
    public init(pool: String, name: String) {
        self.pool = pool
        self.name = name
    }
}
