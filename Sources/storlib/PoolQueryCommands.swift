import ArgumentParser
import StorageKit

struct PoolInformation: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pool-info",
        abstract: "Print what is known of a pool.",
        usage: "storlib pool-info POOL [--bytes] [<options>]",
        discussion: "Example: storlib pool-info images"
    )

    @OptionGroup var operand: PoolOperand
    @OptionGroup var sizes: Sizes
    @OptionGroup var options: Options

    func run() throws {
        let info = try operand.pool(options.manager()).info()
        if options.json { return try Report.json(info) }
        Report.fields([
            "Name": info.name,
            "UUID": info.uuid?.description,
            "State": info.state.rawValue,
            "Persistent": info.isPersistent ? "yes" : "no",
            "Autostart": info.isAutostarted ? "yes" : "no",
            "Capacity": info.usage.map { sizes.text($0.capacity) },
            "Allocation": info.usage.map { sizes.text($0.allocation) },
            "Available": info.usage.map { sizes.text($0.available) },
            "Problem": info.problem,
        ])
    }
}

struct PoolList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pool-list",
        abstract: "List the pools that run.",
        usage: "storlib pool-list [--all | --inactive] [--type TYPE,…] [--details | --name | --uuid] [<options>]",
        discussion: """
            A damaged pool is always listed.

            Example: storlib pool-list --all --details
            """
    )

    @Argument(parsing: .allUnrecognized, help: .hidden)
    var words: [String] = []
    @Flag(help: "List those that do not run as well.")
    var all = false
    @Flag(help: "List those that do not run.")
    var inactive = false
    @Flag(help: "List those without a definition.")
    var transient = false
    @Flag(help: "List those with a definition.")
    var persistent = false
    @Flag(help: "List those that are started at boot.")
    var autostart = false
    @Flag(name: .customLong("no-autostart"), help: "List those that are not started at boot.")
    var noAutostart = false
    @Option(help: ArgumentHelp("List those of these types, separated by commas.", valueName: "types"))
    var type: String?
    @Flag(help: "Print how full they are.")
    var details = false
    @Flag(help: "Print UUIDs.")
    var uuid = false
    @Flag(help: "Print names.")
    var name = false
    @OptionGroup var sizes: Sizes
    @OptionGroup var options: Options

    func validate() throws {
        if all, inactive { throw ValidationError("--all and --inactive exclude each other") }
        if details, name || uuid { throw ValidationError("--details excludes --name and --uuid") }
    }

    func run() throws {
        let kinds = try (type ?? Operands(words, ["type": nil], required: 0).optional("type")).map(Self.kinds)
        let pools = try options.manager().infos(measuringUsage: details || options.json).filter { isWanted($0, kinds) }
        if options.json { return try Report.json(pools) }
        if uuid || name {
            for pool in pools {
                let words = [uuid ? pool.uuid?.description ?? "-" : nil, name ? pool.name : nil].compactMap(\.self)
                Report.line(words.joined(separator: " "))
            }
            return
        }
        details ? table(details: pools) : table(pools)
    }

    private func isWanted(_ pool: PoolInfo, _ kinds: Set<PoolKind>?) -> Bool {
        let byState = all || pool.state == .damaged || (pool.state == .running) != inactive
        let byPersistence = transient == persistent || pool.isPersistent == persistent
        let byAutostart = autostart == noAutostart || pool.isAutostarted == autostart
        let byKind = kinds.map { kinds in pool.kind.map(kinds.contains) ?? false } ?? true
        return byState && byPersistence && byAutostart && byKind
    }

    private static func kinds(_ text: String) throws -> Set<PoolKind> {
        var kinds: Set<PoolKind> = []
        for name in text.split(separator: ",") {
            guard let kind = PoolKind(rawValue: String(name)) else {
                throw StorageError(
                    .invalidArgument,
                    "pool type '\(String(name).printable)' is not known",
                    hint: "known are \(PoolKind.allCases.map(\.rawValue).joined(separator: ", "))"
                )
            }
            kinds.insert(kind)
        }
        return kinds
    }

    private func table(_ pools: [PoolInfo]) {
        var table = Table(["Name", "State", "Autostart"], flexibleColumn: 0)
        for pool in pools {
            let state = pool.state == .running ? "active" : pool.state.rawValue
            table.append([pool.name, state, pool.isAutostarted ? "yes" : "no"])
        }
        table.print()
    }

    private func table(details pools: [PoolInfo]) {
        var table = Table(
            ["Name", "State", "Autostart", "Persistent", "Capacity", "Allocation", "Available"],
            flexibleColumn: 0
        )
        for pool in pools {
            table.append([
                pool.name,
                pool.state.rawValue,
                pool.isAutostarted ? "yes" : "no",
                pool.isPersistent ? "yes" : "no",
                pool.usage.map { sizes.text($0.capacity) } ?? "-",
                pool.usage.map { sizes.text($0.allocation) } ?? "-",
                pool.usage.map { sizes.text($0.available) } ?? "-",
            ])
        }
        table.print()
        for pool in pools {
            if let problem = pool.problem { Report.error("pool '\(pool.name)': \(problem)") }
        }
    }
}

struct PoolDumpXML: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pool-dumpxml",
        abstract: "Print the document of a pool.",
        usage: "storlib pool-dumpxml POOL [--inactive] [<options>]",
        discussion: "Example: storlib pool-dumpxml images > images.xml"
    )

    @OptionGroup var operand: PoolOperand
    @Flag(help: "Print the definition for the next start.")
    var inactive = false
    @OptionGroup var options: Options

    func run() throws {
        let pool = try operand.pool(options.manager())
        if options.json { return try Report.json(pool.definition(forNextStart: inactive)) }
        try Report.output(pool.xml(forNextStart: inactive) + "\n")
    }
}

struct PoolName: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pool-name",
        abstract: "Print the name of the pool with a UUID.",
        usage: "storlib pool-name UUID [<options>]",
        discussion: "Example: storlib pool-name 70a7eb15-6c34-ee9c-bf57-69e8e5ff3fb2"
    )

    @OptionGroup var operand: PoolOperand
    @OptionGroup var options: Options

    func run() throws {
        let name = try operand.pool(options.manager()).name
        options.json ? try Report.json(name) : Report.line(name)
    }
}

struct PoolUUID: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pool-uuid",
        abstract: "Print the UUID of a pool.",
        usage: "storlib pool-uuid POOL [<options>]",
        discussion: "Example: storlib pool-uuid images"
    )

    @OptionGroup var operand: PoolOperand
    @OptionGroup var options: Options

    func run() throws {
        guard let uuid = try operand.pool(options.manager()).definition().uuid else { return }
        options.json ? try Report.json(uuid) : Report.line(uuid.description)
    }
}

struct PoolCapabilitiesList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pool-capabilities",
        abstract: "Print what can be done with each kind of pool.",
        usage: "storlib pool-capabilities [<options>]",
        discussion: "Example: storlib pool-capabilities --json"
    )

    @OptionGroup var options: Options

    func run() throws {
        // No state is touched: the folders need not be known.
        let capabilities = StorageManager(folders: StateFolders(configuration: "/", run: "/")).capabilities
        options.json ? try Report.json(capabilities) : Report.output(capabilities.xml())
    }
}
