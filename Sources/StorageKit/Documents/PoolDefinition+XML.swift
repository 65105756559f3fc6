import XML

extension PoolDefinition {
    /// The document as libvirt 9.0 writes it, byte for byte.
    ///
    /// - Parameter usage: How full the pool is; zero for one that does not run.
    public func xml(usage: PoolUsage = .zero) -> String {
        var writer = XMLWriter()
        write(to: &writer, usage: usage)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    func write(to writer: inout XMLWriter, usage: PoolUsage) {
        writer.element(
            "pool",
            [
                "type": kind.rawValue,
                "xmlns:fs": mountOptions.isEmpty ? nil : Self.mountOptionsNamespace,
                "xmlns:rbd": rbdOptions.isEmpty ? nil : Self.rbdOptionsNamespace,
            ]
        ) { writer in
            writer.element("name", text: name)
            writer.element("uuid", text: uuid?.description)
            writer.element("capacity", ["unit": "bytes"], text: "\(usage.capacity.bytes)")
            writer.element("allocation", ["unit": "bytes"], text: "\(usage.allocation.bytes)")
            writer.element("available", ["unit": "bytes"], text: "\(usage.available.bytes)")
            if let copyOnWrite {
                writer.element("features") { $0.element("cow", ["state": copyOnWrite ? "yes" : "no"]) }
            }
            writer.element("source") { source.write(to: &$0) }
            if kind.hasTarget || targetPath != nil || !permissions.isEmpty {
                writer.element("target") { writer in
                    writer.element("path", text: targetPath)
                    permissions.write(to: &writer)
                }
            }
            if let volumeAllocation {
                writer.element("refresh") { $0.element("volume", ["allocation": volumeAllocation.rawValue]) }
            }
            if !mountOptions.isEmpty {
                writer.element("fs:mount_opts") { writer in
                    for option in mountOptions { writer.element("fs:option", ["name": option]) }
                }
            }
            if !rbdOptions.isEmpty {
                writer.element("rbd:config_opts") { writer in
                    for option in rbdOptions {
                        writer.element("rbd:option", ["name": option.name, "value": option.value])
                    }
                }
            }
        }
    }
}

extension PoolSource {
    fileprivate func write(to writer: inout XMLWriter) {
        for host in hosts {
            writer.element("host", ["name": host.name, "port": host.port.map { "\($0)" }])
        }
        for device in devices {
            let separator = device.partitionSeparator.map { $0 ? "yes" : "no" }
            writer.element("device", ["path": device.path, "part_separator": separator])
        }
        if let directory { writer.element("dir", ["path": directory]) }
        adapter?.write(to: &writer)
        writer.element("name", text: name)
        if let initiator {
            writer.element("initiator") { $0.element("iqn", ["name": initiator]) }
        }
        if let format { writer.element("format", ["type": format.rawValue]) }
        if let authentication {
            writer.element("auth", ["type": authentication.method.rawValue, "username": authentication.username]) {
                authentication.secret.write(to: &$0, type: authentication.secretType)
            }
        }
        if let protocolVersion { writer.element("protocol", ["ver": protocolVersion]) }
        if let vendor { writer.element("vendor", ["name": vendor]) }
        if let product { writer.element("product", ["name": product]) }
    }
}

extension PoolSource.Adapter {
    fileprivate func write(to writer: inout XMLWriter) {
        switch self {
        case .host(let name):
            writer.element("adapter", ["type": "scsi_host", "name": name])
        case .hostAt(let address, let uniqueID):
            writer.element("adapter", ["type": "scsi_host"]) { writer in
                writer.element("parentaddr", ["unique_id": "\(uniqueID)"]) { writer in
                    writer.element(
                        "address",
                        [
                            "domain": "0x" + address.domain.hexadecimal(digits: 4),
                            "bus": "0x" + address.bus.hexadecimal(digits: 2),
                            "slot": "0x" + address.slot.hexadecimal(digits: 2),
                            "function": "0x" + address.function.hexadecimal(digits: 1),
                        ]
                    )
                }
            }
        case .fibreChannel(let host):
            writer.element(
                "adapter",
                [
                    "type": "fc_host",
                    "parent": host.parent,
                    "parent_wwnn": host.parentWWNN,
                    "parent_wwpn": host.parentWWPN,
                    "parent_fabric_wwn": host.parentFabricWWN,
                    "managed": host.managed.map { $0 ? "yes" : "no" },
                    "wwnn": host.wwnn,
                    "wwpn": host.wwpn,
                ]
            )
        }
    }
}

extension UInt32 {
    fileprivate func hexadecimal(digits: Int) -> String {
        let text = String(self, radix: 16)
        return String(repeating: "0", count: Swift.max(0, digits - text.count)) + text
    }
}

extension SecretReference {
    func write(to writer: inout XMLWriter, type: String?) {
        switch self {
        case .uuid(let uuid): writer.element("secret", ["type": type, "uuid": uuid.description])
        case .usage(let usage): writer.element("secret", ["type": type, "usage": usage])
        }
    }
}

extension Permissions {
    func write(to writer: inout XMLWriter) {
        guard !isEmpty else { return }
        writer.element("permissions") { writer in
            writer.element("mode", text: mode.map { "0" + String($0, radix: 8) })
            writer.element("owner", text: owner.map { "\($0)" })
            writer.element("group", text: group.map { "\($0)" })
            writer.element("label", text: label)
        }
    }
}
