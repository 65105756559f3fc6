/// How the content of a volume is encrypted.
public struct VolumeEncryption: Hashable, Sendable, Codable {
    /// The format of the encryption.
    public enum Format: String, Hashable, Sendable, Codable {
        /// The format's own.
        case `default`
        /// That of the qcow format, which is broken.
        case qcow
        /// LUKS, version 1.
        case luks
        /// LUKS, version 2.
        case luks2
    }

    /// The program that encrypts.
    public enum Engine: String, Hashable, Sendable, Codable {
        /// QEMU.
        case qemu
        /// Ceph's library.
        case librbd
    }

    /// The cipher of LUKS.
    public struct Cipher: Hashable, Sendable, Codable {
        /// The name: `aes`.
        public var name: String
        /// The size of the key in bits.
        public var size: UInt32
        /// The mode: `cbc`.
        public var mode: String?
        /// The hash: `sha256`.
        public var hash: String?

        /// Makes a cipher of its name and the size of its key in bits.
        public init(name: String, size: UInt32) {
            self.name = name
            self.size = size
        }
    }

    /// The generator of initialisation vectors of LUKS.
    public struct InitializationVector: Hashable, Sendable, Codable {
        /// The name: `essiv`.
        public var name: String
        /// The hash: `sha256`.
        public var hash: String?

        /// Makes a generator of its name.
        public init(name: String) {
            self.name = name
        }
    }

    /// The format of the encryption.
    public var format: Format
    /// The program that encrypts.
    public var engine: Engine?
    /// The passphrases.
    public var secrets: [SecretReference]
    /// The cipher, for LUKS.
    public var cipher: Cipher?
    /// The generator of initialisation vectors, for LUKS.
    public var initializationVector: InitializationVector?

    /// Makes the encryption of a format.
    public init(format: Format) {
        self.format = format
        secrets = []
    }
}
