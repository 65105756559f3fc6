/// Mode, owner, group and label of a directory or a file; what is nil keeps its default.
public struct Permissions: Hashable, Sendable {
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

extension Permissions: Codable {
    private enum CodingKeys: String, CodingKey {
        case mode
        case owner
        case group
        case label
    }

    /// Reads the mode as octal digits, the rest as it is.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        if let text = try container.decodeIfPresent(String.self, forKey: .mode) {
            guard let mode = UInt32(text, radix: 8) else {
                throw DecodingError.dataCorruptedError(
                    forKey: .mode,
                    in: container,
                    debugDescription: "'\(text)' is not an octal mode"
                )
            }
            self.mode = mode
        }
        owner = try container.decodeIfPresent(UInt32.self, forKey: .owner)
        group = try container.decodeIfPresent(UInt32.self, forKey: .group)
        label = try container.decodeIfPresent(String.self, forKey: .label)
    }

    /// Writes the mode as octal digits, `0640`, the rest as it is.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encodeIfPresent(mode.map { "0" + String($0, radix: 8) }, forKey: .mode)
        try container.encodeIfPresent(owner, forKey: .owner)
        try container.encodeIfPresent(group, forKey: .group)
        try container.encodeIfPresent(label, forKey: .label)
    }
}
