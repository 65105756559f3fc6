import ArgumentParser
import StorageKit

struct Validate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate",
        abstract: "Read a document and print it as it should be; no state is touched.",
        usage: "storlib validate FILE [--pool POOLFILE] [--capacity-optional] [<options>]",
        discussion: "Example: storlib validate disk.xml --pool images.xml"
    )

    @Argument(help: "The document of a pool or a volume.", completion: .file(extensions: ["xml"]))
    var file: String
    @Option(
        help: ArgumentHelp("The document of the volume's pool, on which its formats depend.", valueName: "file"),
        completion: .file(extensions: ["xml"])
    )
    var pool: String?
    @Flag(help: "Let a volume be without a capacity.")
    var capacityOptional = false
    @OptionGroup var options: Options

    func run() throws {
        let kind = try pool.map { file throws(StorageError) in
            try PoolDefinition(xml: Input.read(file), source: Input.name(file)).kind
        }
        let document = try StorageDocument(
            xml: Input.read(file),
            poolKind: kind ?? .directory,
            capacity: capacityOptional ? .optional : .required,
            source: Input.name(file)
        )
        guard options.json else { return Report.output(document.xml()) }
        switch document {
        case .pool(let definition): try Report.json(definition)
        case .volume(let definition): try Report.json(definition)
        }
    }
}

struct Autostart: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "autostart",
        abstract: "Start every pool that is marked for it; for a boot unit.",
        usage: "storlib autostart [--dry-run] [<options>]",
        discussion: "Example: storlib autostart"
    )

    @OptionGroup var dryRun: DryRun
    @OptionGroup var options: Options

    func run() throws {
        let manager = try options.manager()
        guard !dryRun.dryRun else {
            let pools = try manager.infos(measuringUsage: false).filter { $0.isAutostarted && $0.state != .running }
            return try report(pools.map { Self.wouldStart($0.name, manager) }, "would be started")
        }
        try report(manager.startMarkedPools(), "started")
    }

    private static func wouldStart(_ pool: String, _ manager: StorageManager) -> PoolStart {
        do throws(StorageError) {
            _ = try manager.plan(.start(pool: pool, build: nil))
            return PoolStart(pool: pool, problem: nil)
        } catch {
            return PoolStart(pool: pool, problem: error.description)
        }
    }

    private func report(_ starts: [PoolStart], _ word: String) throws {
        if options.json { try Report.json(starts) }
        for start in starts {
            if let problem = start.problem {
                Report.error("pool '\(start.pool)' cannot be started: \(problem)")
            } else if !options.json {
                Report.line("Pool \(start.pool) \(word)")
            }
        }
        if starts.contains(where: { $0.problem != nil }) { throw ExitCode.failure }
    }
}

struct PoolImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pool-import",
        abstract: "Take over the pools that libvirt has defined, with their marks for autostart.",
        usage: "storlib pool-import [DIR] [--dry-run] [<options>]",
        discussion: """
            DIR is /etc/libvirt/storage where none is given. A pool that is defined here already is left as it is.

            Example: storlib pool-import --dry-run
            """
    )

    @Argument(help: "The folder of libvirt's definitions.", completion: .directory)
    var dir: String = StorageManager.libvirtDefinitions
    @OptionGroup var dryRun: DryRun
    @OptionGroup var options: Options

    func run() throws {
        let imports = try options.manager().importPools(from: dir, dryRun: dryRun.dryRun)
        if options.json { try Report.json(imports) }
        for item in imports {
            let pool = item.pool ?? item.file
            switch item.outcome {
            case .imported where !options.json:
                let mark = item.isAutostarted ? ", marked as autostarted" : ""
                Report.line("Pool \(pool) \(dryRun.dryRun ? "would be imported" : "imported")\(mark)")
            case .alreadyDefined where !options.json:
                Report.line("Pool \(pool) is defined already")
            case .failed:
                Report.error("\(item.file) was not imported: \(item.problem ?? "")")
            default: break
            }
        }
        if imports.contains(where: { $0.outcome == .failed }) { throw ExitCode.failure }
    }
}
