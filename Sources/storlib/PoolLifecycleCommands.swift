import ArgumentParser
import StorageKit

struct PoolBuild: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pool-build",
        abstract: "Prepare the storage of a pool, such as its directory.",
        usage: "storlib pool-build POOL [--overwrite | --no-overwrite] [--dry-run] [<options>]",
        discussion: "Example: storlib pool-build images"
    )

    @OptionGroup var operand: PoolOperand
    @OptionGroup var overwriting: Overwriting
    @OptionGroup var dryRun: DryRun
    @OptionGroup var options: Options

    func run() throws {
        let manager = try options.manager()
        let name = try operand.pool(manager).name
        try options.make(.build(pool: name, mode: overwriting.mode), dryRun, manager, done: "Pool \(name) built")
    }
}

struct PoolStartCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pool-start",
        abstract: "Start a pool that is defined.",
        usage: "storlib pool-start POOL [--build] [--dry-run] [<options>]",
        discussion: "Example: storlib pool-start images --build"
    )

    @OptionGroup var operand: PoolOperand
    @OptionGroup var build: Build
    @OptionGroup var dryRun: DryRun
    @OptionGroup var options: Options

    func run() throws {
        let manager = try options.manager()
        let name = try operand.pool(manager).name
        try options.make(.start(pool: name, build: build.mode), dryRun, manager, done: "Pool \(name) started")
    }
}

struct PoolDestroy: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pool-destroy",
        abstract: "Stop a pool; its data stays.",
        usage: "storlib pool-destroy POOL [--dry-run] [<options>]",
        discussion: "Example: storlib pool-destroy images",
        aliases: ["pool-stop"]
    )

    @OptionGroup var operand: PoolOperand
    @OptionGroup var dryRun: DryRun
    @OptionGroup var options: Options

    func run() throws {
        let manager = try options.manager()
        let name = try operand.pool(manager).name
        try options.make(.stop(pool: name), dryRun, manager, done: "Pool \(name) destroyed")
    }
}

struct PoolDelete: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pool-delete",
        abstract: "Remove the storage of a pool that does not run: of a dir pool, the empty directory.",
        usage: "storlib pool-delete POOL [--dry-run] [<options>]",
        discussion: "Example: storlib pool-delete images --dry-run"
    )

    @OptionGroup var operand: PoolOperand
    @OptionGroup var dryRun: DryRun
    @OptionGroup var options: Options

    func run() throws {
        let manager = try options.manager()
        let name = try operand.pool(manager).name
        try options.make(.delete(pool: name), dryRun, manager, done: "Pool \(name) deleted")
    }
}

struct PoolRefresh: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pool-refresh",
        abstract: "Remove what interrupted commands left behind, and tell watchers to look again.",
        usage: "storlib pool-refresh POOL [--dry-run] [<options>]",
        discussion: "Listing needs no refresh: it reads the storage each time.\n\nExample: storlib pool-refresh images"
    )

    @OptionGroup var operand: PoolOperand
    @OptionGroup var dryRun: DryRun
    @OptionGroup var options: Options

    func run() throws {
        let manager = try options.manager()
        let name = try operand.pool(manager).name
        try options.make(.refresh(pool: name), dryRun, manager, done: "Pool \(name) refreshed")
    }
}

struct PoolAutostart: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pool-autostart",
        abstract: "Mark a pool to be started at boot.",
        usage: "storlib pool-autostart POOL [--disable] [--dry-run] [<options>]",
        discussion: "Example: storlib pool-autostart images"
    )

    @OptionGroup var operand: PoolOperand
    @Flag(help: "Take the mark away.")
    var disable = false
    @OptionGroup var dryRun: DryRun
    @OptionGroup var options: Options

    func run() throws {
        let manager = try options.manager()
        let name = try operand.pool(manager).name
        let done = "Pool \(name) \(disable ? "unmarked" : "marked") as autostarted"
        try options.make(.autostart(pool: name, isOn: !disable), dryRun, manager, done: done)
    }
}
