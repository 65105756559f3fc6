import ArgumentParser
import StorageKit

struct VolList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vol-list",
        abstract: "List the volumes of a pool that runs.",
        usage: "storlib vol-list POOL [--details] [--bytes] [<options>]",
        discussion: "Example: storlib vol-list images --details"
    )

    @OptionGroup var operand: PoolOperand
    @Flag(help: "Print types and sizes.")
    var details = false
    @OptionGroup var sizes: Sizes
    @OptionGroup var options: Options

    func run() throws {
        let volumes = try operand.pool(options.manager()).volumes()
        if options.json { return try Report.json(volumes) }
        let showsProblems = details && volumes.contains { $0.problem != nil }
        var table = Table(
            ["Name", "Path"] + (details ? ["Type", "Capacity", "Allocation", "Format"] : [])
                + (showsProblems ? ["Problem"] : []),
            flexibleColumn: 1
        )
        for volume in volumes {
            var row = [volume.name, volume.path]
            if details {
                row += [
                    volume.definition.kind.rawValue, sizes.text(volume.capacity), sizes.text(volume.allocation),
                    volume.formatText,
                ]
            }
            if showsProblems { row.append(volume.problem ?? "-") }
            table.append(row)
        }
        table.print()
    }
}

extension Volume {
    /// The format, and where it is known from.
    fileprivate var formatText: String {
        guard let format = image?.format.rawValue ?? definition.format?.rawValue else { return "-" }
        return formatOrigin.map { "\(format) (\($0.rawValue))" } ?? format
    }
}

struct VolInformation: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vol-info",
        abstract: "Print the type and the sizes of a volume.",
        usage: "storlib vol-info VOL [--pool POOL] [--bytes] [--physical] [<options>]",
        discussion: "Example: storlib vol-info disk.img --pool images --bytes"
    )

    @OptionGroup var operand: VolumeOperand
    @OptionGroup var sizes: Sizes
    @Flag(help: "Print the size of the file or device in place of the allocation.")
    var physical = false
    @OptionGroup var options: Options

    func run() throws {
        let volume = try operand.volume(options.manager()).volume
        if options.json { return try Report.json(volume) }
        func text(_ size: ByteCount) -> String { sizes.bytes ? "\(size.bytes) bytes" : size.description }
        Report.fields([
            "Name": volume.name,
            "Type": volume.definition.kind.rawValue,
            "Capacity": text(volume.capacity),
            "Physical": physical ? text(volume.physicalSize) : nil,
            "Allocation": physical ? nil : text(volume.allocation),
            "Format": volume.formatText,
            "Backing": volume.definition.backingFile.map { file in
                file.path + (file.format.map { " (\($0))" } ?? "")
            },
            "Encryption": volume.image?.encryption,
            "State": volume.image.flatMap { $0.isDirty ? "not closed by its last writer" : nil },
            "Problem": volume.problem,
        ])
    }
}

struct VolDumpXML: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vol-dumpxml",
        abstract: "Print the document of a volume.",
        usage: "storlib vol-dumpxml VOL [--pool POOL] [<options>]",
        discussion: "Example: storlib vol-dumpxml disk.img --pool images"
    )

    @OptionGroup var operand: VolumeOperand
    @OptionGroup var options: Options

    func run() throws {
        let volume = try operand.volume(options.manager()).volume
        options.json ? try Report.json(volume) : Report.output(volume.xml() + "\n")
    }
}

struct VolPath: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vol-path",
        abstract: "Print the path of a volume.",
        usage: "storlib vol-path VOL [--pool POOL] [<options>]",
        discussion: "Example: storlib vol-path disk.img --pool images"
    )

    @OptionGroup var operand: VolumeOperand
    @OptionGroup var options: Options

    func run() throws {
        let path = try operand.volume(options.manager()).volume.path
        options.json ? try Report.json(path) : Report.line(path)
    }
}

struct VolKey: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vol-key",
        abstract: "Print the key of a volume.",
        usage: "storlib vol-key VOL [--pool POOL] [<options>]",
        discussion: "Example: storlib vol-key disk.img --pool images"
    )

    @OptionGroup var operand: VolumeOperand
    @OptionGroup var options: Options

    func run() throws {
        let key = try operand.volume(options.manager()).volume.key
        options.json ? try Report.json(key) : Report.line(key)
    }
}

struct VolName: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vol-name",
        abstract: "Print the name of the volume with a key or path.",
        usage: "storlib vol-name VOL [<options>]",
        discussion: "Example: storlib vol-name /srv/images/disk.img"
    )

    @OptionGroup var operand: VolumeOperand
    @OptionGroup var options: Options

    func run() throws {
        let name = try operand.volume(options.manager()).volume.name
        options.json ? try Report.json(name) : Report.line(name)
    }
}

struct VolPool: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vol-pool",
        abstract: "Print the pool of the volume with a key or path.",
        usage: "storlib vol-pool VOL [--uuid] [<options>]",
        discussion: "Example: storlib vol-pool /srv/images/disk.img"
    )

    @OptionGroup var operand: VolumeOperand
    @Flag(help: "Print the pool's UUID.")
    var uuid = false
    @OptionGroup var options: Options

    func run() throws {
        let pool = try operand.volume(options.manager()).pool
        let text = try uuid ? pool.definition().uuid?.description ?? "" : pool.name
        options.json ? try Report.json(text) : Report.line(text)
    }
}
