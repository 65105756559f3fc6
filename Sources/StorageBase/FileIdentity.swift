/// Which file it is, whatever its name: the device and the inode number.
public struct FileIdentity: Hashable, Sendable, Codable {
    /// The device: its major number in the upper, its minor number in the lower 32 bits.
    public let device: UInt64
    /// The inode number.
    public let inode: UInt64

    /// Makes an identity of its two numbers.
    public init(device: UInt64, inode: UInt64) {
        self.device = device
        self.inode = inode
    }
}
