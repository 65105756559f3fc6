import ArgumentParser
import StorageKit

/// The arguments that describe a pool, on virsh's names.
struct DefinitionArguments: ParsableArguments {
    @Argument(parsing: .allUnrecognized, help: .hidden)
    var words: [String] = []

    @Option(help: "The pool's name; also as the first argument.")
    var name: String?
    @Option(help: "The type, such as dir; also as the second argument.")
    var type: String?
    @Option(help: ArgumentHelp("The server.", valueName: "host"))
    var sourceHost: String?
    @Option(help: ArgumentHelp("The directory that the server exports.", valueName: "path"))
    var sourcePath: String?
    @Option(help: ArgumentHelp("The device, or the iSCSI target's name.", valueName: "path"))
    var sourceDev: String?
    @Option(help: ArgumentHelp("The name of the source, such as a volume group's.", valueName: "name"))
    var sourceName: String?
    @Option(help: ArgumentHelp("The directory of the volumes on this host.", valueName: "path"))
    var target: String?
    @Option(help: ArgumentHelp("The format of the source, such as nfs or gpt.", valueName: "format"))
    var sourceFormat: String?
    @Option(help: ArgumentHelp("How this host proves who it is: chap or ceph.", valueName: "type"))
    var authType: String?
    @Option(help: ArgumentHelp("As whom.", valueName: "name"))
    var authUsername: String?
    @Option(help: ArgumentHelp("The secret, by what it is for.", valueName: "usage"))
    var secretUsage: String?
    @Option(name: .customLong("secret-uuid"), help: ArgumentHelp("The secret, by its UUID.", valueName: "uuid"))
    var secretUUID: String?
    @Option(help: ArgumentHelp("The SCSI host, such as host0.", valueName: "name"))
    var adapterName: String?
    @Option(help: ArgumentHelp("The node name of a Fibre Channel host.", valueName: "wwn"))
    var adapterWwnn: String?
    @Option(help: ArgumentHelp("The port name of a Fibre Channel host.", valueName: "wwn"))
    var adapterWwpn: String?
    @Option(help: ArgumentHelp("The parent of a Fibre Channel host.", valueName: "name"))
    var adapterParent: String?
    @Option(help: ArgumentHelp("The node name of the parent.", valueName: "wwn"))
    var adapterParentWwnn: String?
    @Option(help: ArgumentHelp("The port name of the parent.", valueName: "wwn"))
    var adapterParentWwpn: String?
    @Option(help: ArgumentHelp("The name of the parent's fabric.", valueName: "wwn"))
    var adapterParentFabricWwn: String?
    @Option(help: ArgumentHelp("The version of NFS, such as 4.1.", valueName: "version"))
    var sourceProtocolVer: String?
    @Option(help: ArgumentHelp("The name with which this host logs in to an iSCSI target.", valueName: "iqn"))
    var sourceInitiator: String?
    @Flag(name: .customLong("print-xml"), help: "Print the document, and do nothing.")
    var printXML = false

    func validate() throws {
        _ = try operands()
    }

    private func operands() throws -> Operands {
        try Operands(
            words,
            [
                "name": name, "type": type, "source-host": sourceHost, "source-path": sourcePath,
                "source-dev": sourceDev, "source-name": sourceName, "target": target, "source-format": sourceFormat,
            ],
            required: 2
        )
    }

    func definition() throws -> PoolDefinition {
        let operands = try operands()
        guard let kind = PoolKind(rawValue: operands["type"]) else {
            let known = PoolKind.allCases.map(\.rawValue).joined(separator: ", ")
            throw StorageError(
                .invalidArgument,
                "pool type '\(operands["type"].printable)' is not known",
                hint: "known are \(known)"
            )
        }
        var definition = PoolDefinition(kind: kind, name: operands["name"], targetPath: operands.optional("target"))
        definition.source.hosts = operands.optional("source-host").map { [PoolSource.Host(name: $0)] } ?? []
        definition.source.directory = operands.optional("source-path")
        definition.source.devices = operands.optional("source-dev").map { [PoolSource.Device(path: $0)] } ?? []
        definition.source.name = operands.optional("source-name")
        definition.source.format = operands.optional("source-format").map { PoolFormat(rawValue: $0) }
        definition.source.initiator = sourceInitiator
        definition.source.protocolVersion = sourceProtocolVer
        definition.source.authentication = try authentication()
        definition.source.adapter = try adapter()
        return try definition.normalized()
    }

    private func authentication() throws(StorageError) -> PoolSource.Authentication? {
        guard let authType else { return nil }
        guard let method = PoolSource.Authentication.Method(rawValue: authType), let authUsername else {
            throw StorageError(.invalidArgument, "--auth-type wants 'chap' or 'ceph', and an --auth-username")
        }
        let secret: SecretReference
        switch (secretUUID.map { StorageUUID($0) }, secretUsage) {
        case (.some(let uuid?), nil): secret = .uuid(uuid)
        case (nil, let usage?): secret = .usage(usage)
        default:
            throw StorageError(.invalidArgument, "--auth-type wants one of --secret-uuid (a UUID) and --secret-usage")
        }
        return PoolSource.Authentication(method: method, username: authUsername, secret: secret)
    }

    private func adapter() throws(StorageError) -> PoolSource.Adapter? {
        if let wwnn = adapterWwnn, let wwpn = adapterWwpn {
            var host = PoolSource.FibreChannelHost(wwnn: wwnn, wwpn: wwpn)
            host.parent = adapterParent
            host.parentWWNN = adapterParentWwnn
            host.parentWWPN = adapterParentWwpn
            host.parentFabricWWN = adapterParentFabricWwn
            return .fibreChannel(host: host)
        }
        guard adapterWwnn == nil, adapterWwpn == nil else {
            throw StorageError(.invalidArgument, "--adapter-wwnn and --adapter-wwpn stand together")
        }
        return adapterName.map { .host(name: $0) }
    }
}
