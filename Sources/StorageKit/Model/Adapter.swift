extension PoolSource {
    /// A SCSI host adapter.
    public enum Adapter: Hashable, Sendable, Codable {
        /// A SCSI host by its name, such as `host0`.
        case host(name: String)
        /// A SCSI host by the PCI address of its card, which is the same after each boot.
        case hostAt(address: PCIAddress, uniqueID: UInt32)
        /// A virtual host adapter on Fibre Channel.
        case fibreChannel(host: FibreChannelHost)
    }

    /// The address of a card: `domain:bus:slot.function`.
    public struct PCIAddress: Hashable, Sendable, Codable {
        /// The domain.
        public var domain: UInt32
        /// The bus, at most 0xff.
        public var bus: UInt32
        /// The slot, at most 0x1f.
        public var slot: UInt32
        /// The function, at most 7.
        public var function: UInt32

        /// Makes an address of its four parts.
        public init(domain: UInt32, bus: UInt32, slot: UInt32, function: UInt32) {
            self.domain = domain
            self.bus = bus
            self.slot = slot
            self.function = function
        }
    }

    /// A virtual host adapter on Fibre Channel.
    public struct FibreChannelHost: Hashable, Sendable, Codable {
        /// The name of the parent adapter.
        public var parent: String?
        /// The parent's node name.
        public var parentWWNN: String?
        /// The parent's port name.
        public var parentWWPN: String?
        /// The name of the parent's fabric.
        public var parentFabricWWN: String?
        /// Whether the adapter is removed at the pool's stop.
        public var managed: Bool?
        /// The node name: 16 hexadecimal digits.
        public var wwnn: String
        /// The port name: 16 hexadecimal digits.
        public var wwpn: String

        /// Makes an adapter of its node and port names.
        public init(wwnn: String, wwpn: String) {
            self.wwnn = wwnn
            self.wwpn = wwpn
        }

        func validate() throws(StorageError) {
            for name in [wwnn, wwpn, parentWWNN, parentWWPN, parentFabricWWN].compactMap(\.self) {
                let digits = name.lowercased().hasPrefix("0x") ? name.dropFirst(2) : name[...]
                guard digits.utf8.count == 16, digits.allSatisfy(\.isHexDigit) else {
                    throw StorageError(.invalidArgument, "'\(name)' is no world wide name of 16 hexadecimal digits")
                }
            }
            guard (parentWWNN == nil) == (parentWWPN == nil) else {
                throw StorageError(
                    .invalidArgument,
                    "an adapter's parent_wwnn and parent_wwpn stand together or not at all"
                )
            }
        }
    }
}
