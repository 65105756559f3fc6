/// What a volume is on this host; the raw value is the `type` of its document.
public enum VolumeKind: String, Hashable, Sendable, Codable {
    /// A file.
    case file
    /// A block device.
    case block
    /// A directory.
    case directory = "dir"
    /// Something on the network.
    case network
    /// A directory on the network.
    case networkDirectory = "netdir"
    /// A Virtuozzo image.
    case ploop
}
