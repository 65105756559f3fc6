extension PoolSource {
    /// Reads `<source>`.
    init(_ source: ElementReader, _ kind: PoolKind) throws(StorageError) {
        self.init()
        try source.expect(
            children: [
                "dir", "directory", "adapter", "name", "initiator", "format", "auth", "protocol", "vendor", "product",
            ],
            repeated: ["host", "device"]
        )
        for host in source.children("host") {
            try host.expect(attributes: ["name", "port"])
            let port = try host.number("port", atMost: 65_535)
            try hosts.append(
                Host(name: host.requiredAttribute("name"), port: port == 0 ? nil : port.map { UInt16($0) })
            )
        }
        for device in source.children("device") {
            try device.expect(attributes: ["path", "part_separator"], repeated: ["freeExtent"])
            try devices.append(
                Device(path: device.requiredAttribute("path"), partitionSeparator: device.bool("part_separator"))
            )
        }
        if source.child("dir") != nil, let second = source.child("directory") {
            throw second.error("<directory> is another spelling of <dir>, and both stand inside <source>")
        }
        if let directory = source.child("dir") ?? source.child("directory") {
            try directory.expect(attributes: ["path"])
            self.directory = try directory.requiredAttribute("path")
        }
        name = try source.text(of: "name")
        if let initiator = source.child("initiator") {
            try initiator.expect(children: ["iqn"])
            try initiator.child("iqn")?.expect(attributes: ["name"])
            self.initiator = try initiator.child("iqn")?.requiredAttribute("name")
        }
        format = try Self.format(source, kind)
        adapter = try source.child("adapter").flatMap { adapter throws(StorageError) in try Adapter(adapter) }
        authentication = try source.child("auth").map { auth throws(StorageError) in try Authentication(auth) }
        protocolVersion = try Self.attribute("ver", of: "protocol", in: source)
        vendor = try Self.attribute("name", of: "vendor", in: source)
        product = try Self.attribute("name", of: "product", in: source)
    }

    private static func attribute(
        _ name: String,
        of child: String,
        in source: ElementReader
    ) throws(StorageError) -> String? {
        guard let child = source.child(child) else { return nil }
        try child.expect(attributes: [name])
        return child.attribute(name)
    }

    private static func format(_ source: ElementReader, _ kind: PoolKind) throws(StorageError) -> PoolFormat? {
        guard let format = source.child("format"), let type = try attribute("type", of: "format", in: source) else {
            return nil
        }
        guard kind.sourceFormats.contains(PoolFormat(rawValue: type)) else {
            let known = kind.sourceFormats.map(\.rawValue).joined(separator: ", ")
            throw format.error(
                known.isEmpty
                    ? "a pool of type '\(kind)' has no source <format>"
                    : "source format '\(type.printable)' is not known; a pool of type '\(kind)' has \(known)"
            )
        }
        return PoolFormat(rawValue: type)
    }
}

extension PoolSource.Authentication {
    fileprivate init(_ auth: ElementReader) throws(StorageError) {
        try auth.expect(attributes: ["type", "username"], children: ["secret"])
        guard let method = try auth.word("type", Method.self) else {
            throw auth.error("<auth> needs the attribute 'type': 'chap' or 'ceph'")
        }
        guard let secret = auth.child("secret") else { throw auth.error("<auth> needs a <secret>") }
        try secret.expect(attributes: ["type", "uuid", "usage"])
        try self.init(
            method: method,
            username: auth.requiredAttribute("username"),
            secret: secret.secretReference()
        )
        secretType = secret.attribute("type")
    }
}

extension PoolSource.Adapter {
    /// Nil where the element says nothing.
    fileprivate init?(_ adapter: ElementReader) throws(StorageError) {
        switch adapter.attribute("type") {
        case "scsi_host":
            self = try Self.scsiHost(adapter)
        case "fc_host":
            try adapter.expect(attributes: [
                "type", "parent", "parent_wwnn", "parent_wwpn", "parent_fabric_wwn", "managed", "wwnn", "wwpn", "name",
            ])
            var host = try PoolSource.FibreChannelHost(
                wwnn: adapter.requiredAttribute("wwnn"),
                wwpn: adapter.requiredAttribute("wwpn")
            )
            host.parent = adapter.attribute("parent")
            host.parentWWNN = adapter.attribute("parent_wwnn")
            host.parentWWPN = adapter.attribute("parent_wwpn")
            host.parentFabricWWN = adapter.attribute("parent_fabric_wwn")
            host.managed = try adapter.bool("managed")
            try adapter.check { () throws(StorageError) in try host.validate() }
            self = .fibreChannel(host: host)
        case nil:
            // Documents from before the attribute `type` name a SCSI host.
            try adapter.expect(attributes: ["name"])
            guard let name = adapter.attribute("name") else { return nil }
            self = .host(name: name)
        case let type?:
            throw adapter.error("adapter type '\(type.printable)' is not known; known are scsi_host, fc_host")
        }
    }

    private static func scsiHost(_ adapter: ElementReader) throws(StorageError) -> Self {
        try adapter.expect(attributes: ["type", "name"], children: ["parentaddr"])
        switch (adapter.attribute("name"), adapter.child("parentaddr")) {
        case (let name?, nil): return .host(name: name)
        case (nil, let parent?):
            try parent.expect(attributes: ["unique_id"], children: ["address"])
            guard let address = parent.child("address"), let uniqueID = try parent.number("unique_id") else {
                throw parent.error("<parentaddr> needs the attribute 'unique_id' and an <address>")
            }
            try address.expect(attributes: ["domain", "bus", "slot", "function"])
            return try .hostAt(
                address: PoolSource.PCIAddress(
                    domain: address.number("domain") ?? 0,
                    bus: address.number("bus", atMost: 0xFF) ?? 0,
                    slot: address.number("slot", atMost: 0x1F) ?? 0,
                    function: address.number("function", atMost: 7) ?? 0
                ),
                uniqueID: uniqueID
            )
        default: throw adapter.error("a scsi_host adapter needs one of the attribute 'name' and a <parentaddr>")
        }
    }
}
