import XML

extension VolumeDefinition {
    /// The document as libvirt 9.0 writes it, byte for byte, with the specification's `<uuid>` where there is one.
    public func xml() -> String {
        xml(physicalSize: nil, timestamps: nil)
    }

    fileprivate func xml(physicalSize: ByteCount?, timestamps: Volume.Timestamps?) -> String {
        var writer = XMLWriter()
        writer.element("volume", ["type": kind.rawValue]) { writer in
            writer.element("name", text: name)
            writer.element("uuid", text: uuid?.description)
            writer.element("key", text: key)
            // libvirt's own expected output for a document with <nocow> has an empty <source>.
            if noCopyOnWrite { writer.element("source") { _ in } }
            let capacity = capacity ?? .zero
            writer.element("capacity", ["unit": "bytes"], text: "\(capacity.bytes)")
            writer.element("allocation", ["unit": "bytes"], text: "\((allocation ?? capacity).bytes)")
            writer.element("physical", ["unit": "bytes"], text: physicalSize.map { "\($0.bytes)" })
            writer.element("target") { writer in
                writer.element("path", text: path)
                if let format { writer.element("format", ["type": format.rawValue]) }
                permissions.write(to: &writer)
                timestamps?.write(to: &writer)
                encryption?.write(to: &writer)
                writer.element("compat", text: compatibility)
                if let clusterSize, clusterSize > .zero {
                    writer.element("clusterSize", ["unit": "B"], text: "\(clusterSize.bytes)")
                }
                if let features { Self.write(features, to: &writer) }
            }
            if let backingFile {
                writer.element("backingStore") { writer in
                    writer.element("path", text: backingFile.path)
                    if let format = backingFile.format { writer.element("format", ["type": format.rawValue]) }
                    backingFile.permissions.write(to: &writer)
                }
            }
        }
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    private static func write(_ features: Set<VolumeFeature>, to writer: inout XMLWriter) {
        guard !features.isEmpty else {
            writer.element("features")
            return
        }
        writer.element("features") { writer in
            for feature in VolumeFeature.allCases where features.contains(feature) {
                writer.element(feature.rawValue)
            }
        }
    }
}

extension Volume {
    /// The document as libvirt 9.0 writes it for a volume that exists, with the specification's `<uuid>`.
    public func xml() -> String {
        definition.xml(physicalSize: physicalSize, timestamps: timestamps)
    }
}

extension Volume.Timestamps {
    fileprivate func write(to writer: inout XMLWriter) {
        writer.element("timestamps") { writer in
            writer.element("atime", text: accessed.description)
            writer.element("mtime", text: modified.description)
            writer.element("ctime", text: changed.description)
            writer.element("btime", text: born?.description)
        }
    }
}

extension VolumeEncryption {
    fileprivate func write(to writer: inout XMLWriter) {
        writer.element("encryption", ["format": format.rawValue, "engine": engine?.rawValue]) { writer in
            for secret in secrets { secret.write(to: &writer, type: "passphrase") }
            if let cipher {
                writer.element(
                    "cipher",
                    ["name": cipher.name, "size": "\(cipher.size)", "mode": cipher.mode, "hash": cipher.hash]
                )
            }
            if let initializationVector {
                writer.element(
                    "ivgen",
                    ["name": initializationVector.name, "hash": initializationVector.hash]
                )
            }
        }
    }
}
