/// What a volume is to be: the content of its document.
///
/// The elements are those of libvirt 9.0's storage volume document and of the specification of 2008.
public struct VolumeDefinition: Hashable, Sendable, Codable {
    /// What the volume is on this host; a backend sets it.
    public var kind: VolumeKind
    /// The name, unique in its pool.
    public var name: String
    /// The UUID; a backend sets it.
    public var uuid: StorageUUID?
    /// The key, unique on the host; a backend sets it.
    public var key: String?
    /// The size that a guest sees; nil where it is taken from the backing file.
    public var capacity: ByteCount?
    /// The storage that is set aside at once; nil is all of the capacity.
    public var allocation: ByteCount?
    /// Where the volume is on this host; a backend sets it.
    public var path: String?
    /// The format; one of ``PoolKind/volumeFormats``.
    public var format: VolumeFormat?
    /// The permissions of the file.
    public var permissions: Permissions
    /// How the content is encrypted.
    public var encryption: VolumeEncryption?
    /// The version of the qcow2 format that can read it: `0.10` or `1.1`.
    public var compatibility: String?
    /// The size of a cluster of the format.
    public var clusterSize: ByteCount?
    /// Features of the qcow2 format; nil where the document says nothing of features.
    public var features: Set<VolumeFeature>?
    /// Whether the file is taken out of btrfs' copy-on-write.
    public var noCopyOnWrite: Bool
    /// The volume of which this one holds the differences.
    public var backingFile: BackingFile?

    /// What of an image is set aside; nil is nothing, and of a raw volume what ``allocation`` says.
    ///
    /// Documents do not have it.
    public var preallocation: ImagePreallocation?
    /// The variety of the format, such as `monolithicFlat` of vmdk; nil is the usual one.
    ///
    /// Documents do not have it.
    public var subformat: String?
    /// How the data of a volume that is copied from another is compressed; nil is not.
    ///
    /// Documents do not have it.
    public var compression: ImageCompression?

    /// Makes a definition of a volume of a size.
    ///
    /// - Parameters:
    ///   - name: The name, unique in its pool.
    ///   - capacity: The size that a guest sees.
    ///   - allocation: The storage that is set aside at once; nil is all of the capacity, zero none.
    ///   - format: The format; nil is the pool's default.
    public init(
        name: String,
        capacity: ByteCount?,
        allocation: ByteCount? = nil,
        format: VolumeFormat? = nil
    ) {
        kind = .file
        self.name = name
        self.capacity = capacity
        self.allocation = allocation
        self.format = format
        permissions = Permissions()
        noCopyOnWrite = false
    }

    func validate(in poolKind: PoolKind) throws(StorageError) {
        try EntityName.volume.check(name)
        try permissions.validate()
        for format in [format, backingFile?.format].compactMap(\.self) where !poolKind.volumeFormats.contains(format) {
            let known = poolKind.volumeFormats.map(\.rawValue).joined(separator: ", ")
            throw StorageError(
                .invalidArgument,
                known.isEmpty
                    ? "a volume of a '\(poolKind)' pool has no format, found '\(format.rawValue.printable)'"
                    : "volume format '\(format.rawValue.printable)' is not known",
                hint: known.isEmpty ? nil : "a volume of a '\(poolKind)' pool has \(known)"
            )
        }
    }
}
