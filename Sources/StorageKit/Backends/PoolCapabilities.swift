import XML

/// What storlib can do with a kind of pool.
public struct PoolCapabilities: Hashable, Sendable, Codable {
    /// The kind of pool.
    public let kind: PoolKind
    /// Whether a pool of this kind can be started.
    public let isSupported: Bool
    /// What it can do, in the order of ``PoolOperation``.
    public let operations: [PoolOperation]
    /// The formats of its source, the default first.
    public let sourceFormats: [PoolFormat]
    /// The formats of volumes that its documents may name, the default first.
    public let volumeFormats: [VolumeFormat]
    /// The formats of volumes that can be made.
    public let creatableFormats: [VolumeFormat]

    init(kind: PoolKind, provider: BackendProvider?) {
        self.kind = kind
        isSupported = provider != nil
        operations = PoolOperation.allCases.filter { provider?.operations.contains($0) == true }
        sourceFormats = kind.sourceFormats
        volumeFormats = kind.volumeFormats
        creatableFormats = provider?.creatableFormats ?? []
    }
}

extension Sequence<PoolCapabilities> {
    /// The document as libvirt writes it (`virStoragePoolCapsFormat`), with `<operations>` and the formats of volumes
    /// that can be made in addition.
    public func xml() -> String {
        var writer = XMLWriter()
        writer.element("storagepoolCapabilities") { writer in
            for capabilities in self { capabilities.write(to: &writer) }
        }
        return String(decoding: writer.bytes, as: UTF8.self)
    }
}

extension PoolCapabilities {
    fileprivate func write(to writer: inout XMLWriter) {
        writer.element("pool", ["type": kind.rawValue, "supported": isSupported ? "yes" : "no"]) { writer in
            if !operations.isEmpty {
                writer.element("operations") { writer in
                    for operation in operations { writer.element("operation", ["name": operation.rawValue]) }
                }
            }
            if let defaultFormat = sourceFormats.first {
                writer.element("poolOptions") { writer in
                    writer.element("defaultFormat", ["type": defaultFormat.rawValue])
                    Self.write("sourceFormatType", sourceFormats.map(\.rawValue), to: &writer)
                }
            }
            if let defaultFormat = volumeFormats.first {
                writer.element("volOptions") { writer in
                    writer.element("defaultFormat", ["type": defaultFormat.rawValue])
                    Self.write("targetFormatType", volumeFormats.map(\.rawValue), to: &writer)
                    if isSupported { Self.write("creatableFormatType", creatableFormats.map(\.rawValue), to: &writer) }
                }
            }
        }
    }

    private static func write(_ name: String, _ values: [String], to writer: inout XMLWriter) {
        writer.element("enum", ["name": name]) { writer in
            for value in values { writer.element("value", text: value) }
        }
    }
}
