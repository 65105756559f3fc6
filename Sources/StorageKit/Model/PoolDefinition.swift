/// What a pool is to be: the content of its document.
///
/// The elements are those of libvirt 9.0's storage pool document and of the specification of 2008.
public struct PoolDefinition: Hashable, Sendable, Codable {
    /// What the pool is carved from.
    public var kind: PoolKind
    /// The name, unique on the host.
    public var name: String
    /// The UUID; one is made when the pool is defined without.
    public var uuid: StorageUUID?
    /// Whether files are copied on write, on btrfs; nil turns it off where that is possible.
    public var copyOnWrite: Bool?
    /// Where the storage is.
    public var source: PoolSource
    /// The directory where the volumes are on this host.
    public var targetPath: String?
    /// The permissions of the target, at its building.
    public var permissions: Permissions
    /// What is taken for a volume's allocation, for Ceph.
    public var volumeAllocation: VolumeAllocation?
    /// Options for mounting the source.
    public var mountOptions: [String]
    /// Options for the Ceph client.
    public var rbdOptions: [Option]

    /// Makes a definition of the parts that every kind has.
    public init(kind: PoolKind, name: String, uuid: StorageUUID? = nil, targetPath: String? = nil) {
        self.kind = kind
        self.name = name
        self.uuid = uuid
        self.targetPath = targetPath
        source = PoolSource()
        permissions = Permissions()
        mountOptions = []
        rbdOptions = []
    }

    /// How the allocation of a volume is found.
    public enum VolumeAllocation: String, Hashable, Sendable, Codable {
        /// Measured.
        case measured = "default"
        /// Taken to be the capacity.
        case capacity
    }

    /// A named value for the Ceph client.
    public struct Option: Hashable, Sendable, Codable {
        /// The option's name.
        public var name: String
        /// The option's value.
        public var value: String

        /// Makes an option of its name and value.
        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }
}

extension PoolDefinition {
    /// Fills in what follows from the rest, as libvirt does: the source's name and format, the target of a kind that
    /// has a fixed one, the target's path without doubled slashes.
    ///
    /// - Throws: `StorageError` with code `invalidArgument` or
    ///   `invalidName` where a rule of the kind is broken.
    public func normalized() throws(StorageError) -> PoolDefinition {
        var result = self
        try result.normalize()
        return result
    }

    mutating func normalize() throws(StorageError) {
        if kind.sourceParts.contains(.name), source.name == nil { source.name = name }
        if kind == .gluster, source.directory == nil { source.directory = "/" }
        if source.format == nil { source.format = kind.sourceFormats.first }
        switch kind {
        case .logical: targetPath = "/dev/\(source.name ?? name)"
        case .zfs: targetPath = "/dev/zvol/\(source.name ?? name)"
        default: break
        }
        targetPath = targetPath.map(Self.withoutDoubledSlashes)
        source.directory = source.directory.map(Self.withoutDoubledSlashes)
        try validate()
    }

    /// Two slashes at the start, and no third, stay: POSIX gives them a meaning of their own (4.13 of its
    /// Base Definitions), and libvirt keeps them.
    private static func withoutDoubledSlashes(_ path: String) -> String {
        let slash = UInt8(ascii: "/")
        var previous: UInt8 = 0
        var isDoubledAnywhere = false
        for byte in path.utf8 {
            if byte == slash, previous == slash { isDoubledAnywhere = true }
            previous = byte
        }
        if !isDoubledAnywhere, previous != slash || path.utf8.count == 1 { return path }
        let isDoubled = path.hasBytePrefix("//") && !path.hasBytePrefix("///")
        let root = isDoubled ? "//" : path.hasBytePrefix("/") ? "/" : ""
        let parts = path.utf8.split(separator: slash).map { String(decoding: $0, as: UTF8.self) }
        return root + parts.joined(separator: "/")
    }
}
