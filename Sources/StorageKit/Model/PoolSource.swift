/// Where a pool's storage is: the `<source>` of its document.
public struct PoolSource: Hashable, Sendable, Codable {
    /// The servers.
    public var hosts: [Host] = []
    /// The devices: block devices, or the target's name for iSCSI.
    public var devices: [Device] = []
    /// The directory that a server exports.
    public var directory: String?
    /// The SCSI adapter.
    public var adapter: Adapter?
    /// The name: of a volume group, a Ceph pool, a Gluster volume.
    public var name: String?
    /// The name with which this host logs in to an iSCSI target.
    public var initiator: String?
    /// The format; one of ``PoolKind/sourceFormats``.
    public var format: PoolFormat?
    /// How this host proves who it is.
    public var authentication: Authentication?
    /// The version of the NFS protocol: `4.1`.
    public var protocolVersion: String?
    /// The vendor of the storage, for information.
    public var vendor: String?
    /// The product of the vendor, for information.
    public var product: String?

    /// Makes a source with nothing in it.
    public init() {}

    /// A server.
    public struct Host: Hashable, Sendable, Codable {
        /// The host's name or address.
        public var name: String
        /// The port, where it is not the protocol's own.
        public var port: UInt16?

        /// Makes a server of its name and port.
        public init(name: String, port: UInt16? = nil) {
            self.name = name
            self.port = port
        }
    }

    /// A block device, or the name of an iSCSI target.
    public struct Device: Hashable, Sendable, Codable {
        /// The path of the device, or the name of the target.
        public var path: String
        /// Whether a `p` stands before a partition's number in its name, for device-mapper devices.
        public var partitionSeparator: Bool?

        /// Makes a device of its path.
        public init(path: String, partitionSeparator: Bool? = nil) {
            self.path = path
            self.partitionSeparator = partitionSeparator
        }
    }

    /// How this host proves to the storage who it is.
    public struct Authentication: Hashable, Sendable, Codable {
        /// The protocol.
        public enum Method: String, Hashable, Sendable, Codable {
            /// The challenge-handshake protocol of iSCSI.
            case chap
            /// Ceph's own.
            case ceph
        }

        /// The protocol.
        public var method: Method
        /// The user's name.
        public var username: String
        /// The secret's name.
        public var secret: SecretReference
        /// What kind of secret it is, where the document says so.
        public var secretType: String?

        /// Makes the authentication of a user with a secret.
        public init(method: Method, username: String, secret: SecretReference) {
            self.method = method
            self.username = username
            self.secret = secret
        }
    }
}
