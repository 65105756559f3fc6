import XML

extension VolumeDefinition {
    /// Whether a volume's document must have a capacity.
    public enum CapacityRule: Sendable, Hashable {
        /// It must, but for a volume with a backing file: that one's size is taken.
        case required
        /// It may be left out.
        case optional
    }

    /// Reads a volume's document, strictly: an element that is not known is refused.
    ///
    /// It does not block. The dialect is libvirt's (<https://libvirt.org/formatstorage.html>) and, where that differs,
    /// also the specification's of 2008.
    ///
    /// - Parameters:
    ///   - xml: The document in UTF-8, at most 1 MiB.
    ///   - poolKind: The kind of the volume's pool, on which the formats depend.
    ///   - capacity: Whether the document must have a capacity.
    ///   - source: The document's name in errors, such as that of its file.
    /// - Throws: `StorageError` with line and column, with code `invalidDocument`,
    ///   `invalidName` or `invalidArgument`.
    public init(
        xml: [UInt8],
        poolKind: PoolKind = .directory,
        capacity: CapacityRule = .required,
        source: String = "(volume document)"
    ) throws(StorageError) {
        let document = try XMLDocument(xml, name: source)
        guard document.root.name == "volume", document.root.namespace == nil else {
            throw document.root.error("a volume document begins with <volume>, found \(document.root.description)")
        }
        try self.init(ElementReader(document.root), poolKind, capacity)
    }

    /// Reads a volume's document from a text.
    ///
    /// - Throws: As `init(xml:poolKind:capacity:source:)` does.
    public init(
        xml: String,
        poolKind: PoolKind = .directory,
        capacity: CapacityRule = .required,
        source: String = "(volume document)"
    ) throws(StorageError) {
        try self.init(xml: Array(xml.utf8), poolKind: poolKind, capacity: capacity, source: source)
    }

    private init(_ volume: ElementReader, _ poolKind: PoolKind, _ rule: CapacityRule) throws(StorageError) {
        try volume.expect(
            attributes: ["type"],
            children: [
                "name", "uuid", "key", "source", "capacity", "allocation", "physical", "target", "backingStore",
            ]
        )
        guard let name = try volume.text(of: "name") else { throw volume.error("<volume> needs a <name>") }
        try (volume.child("name") ?? volume).check { () throws(StorageError) in try EntityName.volume.check(name) }
        try self.init(name: name, capacity: volume.size("capacity"), allocation: volume.size("allocation"))
        kind = try volume.word("type", VolumeKind.self) ?? .file
        uuid = try volume.uuid("uuid")
        key = try volume.text(of: "key")
        // Measured, never set; but what stands there must be a size.
        _ = try volume.size("physical")
        try Self.checkSource(volume.child("source"))
        backingFile = try BackingFile(volume.child("backingStore"), poolKind)
        format = poolKind.volumeFormats.first
        if let target = volume.child("target") { try readTarget(target, poolKind) }
        if capacity == nil, rule == .required, backingFile == nil {
            throw volume.error("<volume> needs a <capacity>")
        }
    }

    /// Extents are measured, never set.
    private static func checkSource(_ source: ElementReader?) throws(StorageError) {
        guard let source else { return }
        try source.expect(repeated: ["device"])
        for device in source.children("device") {
            try device.expect(attributes: ["path"], repeated: ["extent"])
        }
    }

    private mutating func readTarget(_ target: ElementReader, _ poolKind: PoolKind) throws(StorageError) {
        try target.expect(children: [
            "path", "format", "permissions", "timestamps", "encryption", "compat", "nocow", "clusterSize", "features",
        ])
        path = try target.text(of: "path")
        format = try target.volumeFormat(poolKind) ?? format
        permissions = try target.permissions()
        try target.checkTimestamps()
        encryption = try target.child("encryption").map { child throws(StorageError) in try VolumeEncryption(child) }
        compatibility = try target.text(of: "compat")
        if let compatibility, let child = target.child("compat") {
            let numbers = compatibility.split(separator: ".", omittingEmptySubsequences: false)
            guard numbers.count == 2, numbers.allSatisfy({ UInt32($0) != nil }) else {
                throw child.error("<compat> wants a version such as '1.1', found '\(compatibility.printable)'")
            }
        }
        if let child = target.child("nocow") {
            try child.expect()
            noCopyOnWrite = true
        }
        clusterSize = try target.size("clusterSize")
        if let child = target.child("features") {
            try child.expect(children: VolumeFeature.allCases.map(\.rawValue))
            features = Set(child.element.children.compactMap { VolumeFeature(rawValue: $0.name) })
            compatibility = compatibility ?? "1.1"
        }
    }
}

extension BackingFile {
    fileprivate init?(_ backing: ElementReader?, _ poolKind: PoolKind) throws(StorageError) {
        guard let backing else { return nil }
        try backing.expect(children: ["path", "format", "permissions", "timestamps"])
        guard let path = try backing.text(of: "path") else { return nil }
        self.init(path: path, format: try backing.volumeFormat(poolKind) ?? poolKind.volumeFormats.first)
        permissions = try backing.permissions()
        try backing.checkTimestamps()
    }
}

extension ElementReader {
    /// Times are measured, never set.
    fileprivate func checkTimestamps() throws(StorageError) {
        try child("timestamps")?.expect(children: ["atime", "mtime", "ctime", "btime"])
    }

    fileprivate func volumeFormat(_ poolKind: PoolKind) throws(StorageError) -> VolumeFormat? {
        guard let child = child("format") else { return nil }
        try child.expect(attributes: ["type"])
        guard let type = child.attribute("type") else { return nil }
        let format = VolumeFormat(rawValue: type)
        guard poolKind.volumeFormats.contains(format) else {
            let known = poolKind.volumeFormats.map(\.rawValue).joined(separator: ", ")
            throw child.error(
                known.isEmpty
                    ? "a volume of a '\(poolKind)' pool has no <format>"
                    : "volume format '\(type.printable)' is not known; a volume of a '\(poolKind)' pool has \(known)"
            )
        }
        return format
    }
}

extension VolumeEncryption {
    fileprivate init(_ encryption: ElementReader) throws(StorageError) {
        try encryption.expect(
            attributes: ["format", "engine"],
            children: ["cipher", "ivgen"],
            repeated: ["secret"]
        )
        guard let format = try encryption.word("format", Format.self) else {
            throw encryption.error("<encryption> needs the attribute 'format'")
        }
        self.init(format: format)
        engine = try encryption.word("engine", Engine.self)
        for secret in encryption.children("secret") {
            try secret.expect(attributes: ["type", "uuid", "usage"])
            guard secret.attribute("type") == "passphrase" else {
                throw secret.error("<secret> needs the attribute type='passphrase'")
            }
            try secrets.append(secret.secretReference())
        }
        if let child = encryption.child("cipher") {
            try child.expect(attributes: ["name", "size", "mode", "hash"])
            guard let size = try child.number("size") else {
                throw child.error("<cipher> needs the attribute 'size', in bits")
            }
            var cipher = try Cipher(name: child.requiredAttribute("name"), size: size)
            cipher.mode = child.attribute("mode")
            cipher.hash = child.attribute("hash")
            self.cipher = cipher
        }
        if let child = encryption.child("ivgen") {
            try child.expect(attributes: ["name", "hash"])
            guard cipher != nil else { throw child.error("<ivgen> stands beside a <cipher>, and there is none") }
            var vector = try InitializationVector(name: child.requiredAttribute("name"))
            vector.hash = child.attribute("hash")
            initializationVector = vector
        }
    }
}
