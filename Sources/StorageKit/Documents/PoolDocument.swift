import XML

extension PoolDefinition {
    /// The namespaces of the options of file systems and of Ceph.
    static let mountOptionsNamespace = "http://libvirt.org/schemas/storagepool/fs/1.0"
    static let rbdOptionsNamespace = "http://libvirt.org/schemas/storagepool/rbd/1.0"

    /// Reads a pool's document, strictly: an element that is not known is refused.
    ///
    /// It does not block. The dialect is libvirt's (<https://libvirt.org/formatstorage.html>) and, where that differs,
    /// also the specification's of 2008.
    ///
    /// - Parameters:
    ///   - xml: The document in UTF-8, at most 1 MiB.
    ///   - source: The document's name in errors, such as that of its file.
    /// - Throws: `StorageError` with line and column, with code `invalidDocument`,
    ///   `invalidName` or `invalidArgument`.
    public init(xml: [UInt8], source: String = "(pool document)") throws(StorageError) {
        let document = try XMLDocument(xml, name: source)
        guard document.root.name == "pool", document.root.namespace == nil else {
            throw document.root.error("a pool document begins with <pool>, found \(document.root.description)")
        }
        try self.init(ElementReader(document.root))
    }

    /// Reads a pool's document from a text.
    ///
    /// - Throws: As `init(xml:source:)` does.
    public init(xml: String, source: String = "(pool document)") throws(StorageError) {
        try self.init(xml: Array(xml.utf8), source: source)
    }

    init(_ pool: ElementReader) throws(StorageError) {
        let mountOptions = pool.children("mount_opts", namespace: Self.mountOptionsNamespace)
        let rbdOptions = pool.children("config_opts", namespace: Self.rbdOptionsNamespace)
        try pool.expect(
            attributes: ["type"],
            children: [
                "name", "uuid", "capacity", "allocation", "available", "features", "source", "target", "refresh",
            ],
            foreignChildren: mountOptions + rbdOptions
        )
        for options in [mountOptions, rbdOptions] where options.count > 1 {
            throw options[1].error("<\(options[1].element.name)> occurs twice inside <pool>")
        }
        let type = try pool.requiredAttribute("type")
        guard let kind = PoolKind(rawValue: type) else {
            let known = PoolKind.allCases.map(\.rawValue).joined(separator: ", ")
            throw pool.error("pool type '\(type.printable)' is not known; known are \(known)")
        }
        // Measured, never set; but what stands there must be a size.
        for name in ["capacity", "allocation", "available"] { _ = try pool.size(name) }

        let source = try Self.source(of: pool, kind)
        let name = try pool.text(of: "name") ?? (kind.sourceParts.contains(.name) ? source.name : nil)
        guard let name else { throw pool.error("<pool> needs a <name>") }
        try (pool.child("name") ?? pool).check { () throws(StorageError) in try EntityName.pool.check(name) }

        self.init(kind: kind, name: name)
        uuid = try pool.uuid("uuid")
        self.source = source
        if let features = pool.child("features") {
            try features.expect(children: ["cow"])
            if let cow = features.child("cow") {
                try cow.expect(attributes: ["state"])
                copyOnWrite = try cow.bool("state")
            }
        }
        if let target = pool.child("target") {
            try target.expect(children: ["path", "permissions"])
            targetPath = try target.text(of: "path")
            permissions = try target.permissions()
        }
        if let refresh = pool.child("refresh") {
            try refresh.expect(children: ["volume"])
            try refresh.child("volume")?.expect(attributes: ["allocation"])
            volumeAllocation = try refresh.child("volume")?.word("allocation", VolumeAllocation.self)
        }
        for options in mountOptions {
            let children = options.children("option", namespace: Self.mountOptionsNamespace)
            try options.expect(repeated: ["option"], foreignChildren: children)
            for option in children {
                try option.expect(attributes: ["name"])
                try self.mountOptions.append(option.requiredAttribute("name"))
            }
        }
        for options in rbdOptions {
            let children = options.children("option", namespace: Self.rbdOptionsNamespace)
            try options.expect(repeated: ["option"], foreignChildren: children)
            for option in children {
                try option.expect(attributes: ["name", "value"])
                try self.rbdOptions.append(
                    Option(name: option.requiredAttribute("name"), value: option.requiredAttribute("value"))
                )
            }
        }
        do throws(StorageError) {
            try normalize()
        } catch {
            throw (pool.child("target")?.child("path") ?? pool).placed(error)
        }
    }

    private static func source(of pool: ElementReader, _ kind: PoolKind) throws(StorageError) -> PoolSource {
        guard let source = pool.child("source") else { return PoolSource() }
        return try PoolSource(source, kind)
    }
}
