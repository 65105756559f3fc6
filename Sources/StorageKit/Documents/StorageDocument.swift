import XML

/// A document of either kind, told by its first element.
public enum StorageDocument: Hashable, Sendable {
    /// A pool's document.
    case pool(PoolDefinition)
    /// A volume's document.
    case volume(VolumeDefinition)

    /// Reads a document, strictly.
    ///
    /// It does not block.
    ///
    /// - Parameters:
    ///   - xml: The document in UTF-8, at most 1 MiB.
    ///   - poolKind: The kind of a volume's pool, on which the formats depend.
    ///   - capacity: Whether a volume's document must have a capacity.
    ///   - source: The document's name in errors, such as that of its file.
    /// - Throws: As `PoolDefinition/init(xml:source:)` does.
    public init(
        xml: [UInt8],
        poolKind: PoolKind = .directory,
        capacity: VolumeDefinition.CapacityRule = .required,
        source: String
    ) throws(StorageError) {
        let root = try XMLDocument(xml, name: source).root
        self =
            if root.name == "volume" {
                try .volume(VolumeDefinition(xml: xml, poolKind: poolKind, capacity: capacity, source: source))
            } else {
                try .pool(PoolDefinition(xml: xml, source: source))
            }
    }

    /// The document as libvirt 9.0 writes it.
    public func xml() -> String {
        switch self {
        case .pool(let definition): definition.xml()
        case .volume(let definition): definition.xml()
        }
    }
}
