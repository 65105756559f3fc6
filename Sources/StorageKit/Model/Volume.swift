/// A volume as it is in the storage.
public struct Volume: Hashable, Sendable {
    /// What there is to know, in one place: lists of thousands of volumes are copied by reference.
    private struct Content: Hashable, Sendable {
        var definition: VolumeDefinition
        var physicalSize: ByteCount
        var timestamps: Timestamps?
        var problem: String?
        var formatOrigin: FormatOrigin?
        var image: ImageDescription?
    }

    // SAFETY: it is written to only where nobody else refers to it.
    private final class Storage: @unchecked Sendable {
        var content: Content

        init(_ content: Content) {
            self.content = content
        }
    }

    private var storage: Storage

    private var content: Content {
        get { storage.content }
        _modify {
            if !isKnownUniquelyReferenced(&storage) { storage = Storage(storage.content) }
            yield &storage.content
        }
    }

    /// Name, key, path, UUID, capacity, allocation, format and permissions, as found.
    public var definition: VolumeDefinition {
        get { storage.content.definition }
        _modify { yield &content.definition }
    }

    /// The size of the file or the device.
    public var physicalSize: ByteCount {
        get { storage.content.physicalSize }
        _modify { yield &content.physicalSize }
    }

    /// When the file was used, and made.
    public var timestamps: Timestamps? {
        get { storage.content.timestamps }
        _modify { yield &content.timestamps }
    }

    /// What is wrong with the content, in words; nil where nothing is known to be.
    public var problem: String? {
        get { storage.content.problem }
        _modify { yield &content.problem }
    }

    /// Where the format is known from; nil for what is no image.
    public var formatOrigin: FormatOrigin? {
        get { storage.content.formatOrigin }
        _modify { yield &content.formatOrigin }
    }

    /// What the image's header says; nil for what is no image, or cannot be read.
    public var image: ImageDescription? {
        get { storage.content.image }
        _modify { yield &content.image }
    }

    /// Where the format of a volume is known from.
    public enum FormatOrigin: String, Hashable, Sendable, Codable {
        /// The volume was made with it, whatever its content says now.
        case declared
        /// The content says so, which may be a guest's word: its backing file is not looked for outside the pool.
        case probed
    }

    /// Makes a volume of what was found.
    public init(
        definition: VolumeDefinition,
        physicalSize: ByteCount,
        timestamps: Timestamps? = nil,
        problem: String? = nil
    ) {
        storage = Storage(
            Content(definition: definition, physicalSize: physicalSize, timestamps: timestamps, problem: problem)
        )
    }

    /// Whether both are the same in all that is known of them.
    public static func == (left: Volume, right: Volume) -> Bool { left.content == right.content }

    /// Hashes all that is known of the volume.
    public func hash(into hasher: inout Hasher) { hasher.combine(content) }

    /// The name, unique in its pool.
    public var name: String { definition.name }
    /// The key, unique on the host.
    public var key: String { definition.key ?? definition.name }
    /// Where the volume is on this host.
    public var path: String { definition.path ?? definition.name }
    /// The size that a guest sees.
    public var capacity: ByteCount { definition.capacity ?? .zero }
    /// The storage that it takes.
    public var allocation: ByteCount { definition.allocation ?? .zero }

    /// When a file was used, and made.
    public struct Timestamps: Hashable, Sendable, Codable {
        /// The last reading.
        public var accessed: Timestamp
        /// The last writing.
        public var modified: Timestamp
        /// The last change of content or attributes.
        public var changed: Timestamp
        /// The making; nil where the file system does not keep it.
        public var born: Timestamp?

        /// Makes timestamps of their moments.
        public init(accessed: Timestamp, modified: Timestamp, changed: Timestamp, born: Timestamp?) {
            self.accessed = accessed
            self.modified = modified
            self.changed = changed
            self.born = born
        }
    }
}

extension Volume: Codable {
    private enum CodingKeys: String, CodingKey {
        case physicalSize
        case timestamps
        case problem
        case formatOrigin
        case image
    }

    /// Reads the keys of ``VolumeDefinition``, and beside them those of the other properties.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            definition: try VolumeDefinition(from: decoder),
            physicalSize: try container.decode(ByteCount.self, forKey: .physicalSize),
            timestamps: try container.decodeIfPresent(Timestamps.self, forKey: .timestamps),
            problem: try container.decodeIfPresent(String.self, forKey: .problem)
        )
        formatOrigin = try container.decodeIfPresent(FormatOrigin.self, forKey: .formatOrigin)
        image = try container.decodeIfPresent(ImageDescription.self, forKey: .image)
    }

    /// Writes the keys of ``VolumeDefinition``, and beside them those of the other properties.
    public func encode(to encoder: any Encoder) throws {
        try definition.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(physicalSize, forKey: .physicalSize)
        try container.encodeIfPresent(timestamps, forKey: .timestamps)
        try container.encodeIfPresent(problem, forKey: .problem)
        try container.encodeIfPresent(formatOrigin, forKey: .formatOrigin)
        try container.encodeIfPresent(image, forKey: .image)
    }
}
