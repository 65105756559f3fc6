/// Mode, owner, group and label of a directory or a file; what is nil keeps its default.
public struct Permissions: Hashable, Sendable, Codable {
    /// The permission bits, at most 0o777.
    public var mode: UInt32?
    /// The numeric user ID.
    public var owner: UInt32?
    /// The numeric group ID.
    public var group: UInt32?
    /// The label of the mandatory access control, as SELinux writes it.
    public var label: String?

    /// Makes permissions of the parts that are given.
    public init(mode: UInt32? = nil, owner: UInt32? = nil, group: UInt32? = nil, label: String? = nil) {
        self.mode = mode
        self.owner = owner
        self.group = group
        self.label = label
    }

    /// The most that a mode may be: no set-user-ID, set-group-ID and sticky bit.
    static let maximumMode: UInt32 = 0o777

    var isEmpty: Bool { mode == nil && owner == nil && group == nil && label == nil }

    func validate() throws(StorageError) {
        if let mode, mode > Self.maximumMode {
            throw StorageError(
                .invalidArgument,
                "mode 0\(String(mode, radix: 8)) is more than 0777",
                hint: "a mode has read, write and execute bits only"
            )
        }
    }
}
