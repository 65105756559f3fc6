import ArgumentParser
import StorageKit

/// The options of commands that copy a volume.
struct CopyOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Compress the data: zlib, or zstd in a qcow2 image.", valueName: "algorithm"))
    var compress: String?
    @Option(help: ArgumentHelp("The variety of the format, such as streamOptimized of vmdk.", valueName: "name"))
    var subformat: String?
    @Flag(help: "Accepted as by virsh: blocks are shared wherever the file system can.")
    var reflink = false
    @Flag(help: "Allocate the tables of the image at once.")
    var preallocMetadata = false

    func apply(to definition: inout VolumeDefinition) throws(StorageError) {
        if preallocMetadata { definition.preallocation = .metadata }
        definition.subformat = subformat
        guard let compress else { return }
        guard let compression = ImageCompression(rawValue: compress) else {
            throw StorageError(.invalidArgument, "--compress wants zlib or zstd, found '\(compress.printable)'")
        }
        definition.compression = compression
    }
}

struct VolClone: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vol-clone",
        abstract: "Make a copy of a volume, in the same pool.",
        usage:
            "storlib vol-clone VOL NAME [--pool POOL] [--format FORMAT] [--compress ALGORITHM] [--dry-run] [<options>]",
        discussion: """
            Backing files are flattened, holes stay holes. Without --format the copy has the format of the volume.

            Example: storlib vol-clone disk.img copy.qcow2 --pool images --format qcow2
            """
    )

    @Argument(parsing: .allUnrecognized, help: .hidden, completion: .custom(Completion.volumes))
    var words: [String] = []
    @Option(help: ArgumentHelp("The volume's name, key or path; also as the first argument.", valueName: "volume"))
    var vol: String?
    @Option(help: ArgumentHelp("The name of the copy; also as the second argument.", valueName: "name"))
    var newname: String?
    @Option(help: "The name or UUID of its pool, with which VOL may be a name.")
    var pool: String?
    @Option(help: "The format of the copy.")
    var format: String?
    @OptionGroup var copying: CopyOptions
    @OptionGroup var dryRun: DryRun
    @OptionGroup var options: Options

    func validate() throws {
        _ = try operands()
    }

    private func operands() throws -> Operands {
        try Operands(words, ["vol": vol, "newname": newname, "pool": pool], required: 2)
    }

    func run() throws {
        let operands = try operands()
        let manager = try options.manager()
        let (pool, volume) = try manager.volume(operands["vol"], pool: operands.optional("pool"))
        var definition = VolumeDefinition(
            name: operands["newname"],
            capacity: nil,
            format: format.map { VolumeFormat(rawValue: $0) }
        )
        try copying.apply(to: &definition)
        if let problem = volume.problem { Report.warning("volume '\(volume.name)': \(problem)") }
        try options.makeLong(
            .cloneVolume(
                pool: pool.name,
                definition: definition,
                source: VolumeReference(pool: pool.name, name: volume.name)
            ),
            ofVolume: definition.name,
            dryRun,
            manager,
            done: "Vol \(definition.name) cloned from \(volume.name)"
        )
    }
}

struct VolCreateFrom: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vol-create-from",
        abstract: "Make a volume from a document, with the content of another one.",
        usage:
            "storlib vol-create-from POOL FILE VOL [--inputpool POOL] [--compress ALGORITHM] [--dry-run] [<options>]",
        discussion: """
            The format is converted to that of the document; a capacity is not needed, and no smaller than that of VOL.

            Example: storlib vol-create-from images copy.xml disk.img --inputpool old
            """
    )

    @Argument(parsing: .allUnrecognized, help: .hidden, completion: .custom(Completion.pools))
    var words: [String] = []
    @Option(help: "The pool's name or UUID; also as the first argument.")
    var pool: String?
    @Option(help: "The document; also as the second argument.", completion: .file(extensions: ["xml"]))
    var file: String?
    @Option(help: ArgumentHelp("The volume that is copied, by name, key or path.", valueName: "volume"))
    var vol: String?
    @Option(help: ArgumentHelp("The pool of that volume, with which VOL may be a name.", valueName: "pool"))
    var inputpool: String?
    @OptionGroup var copying: CopyOptions
    @OptionGroup var dryRun: DryRun
    @OptionGroup var options: Options

    func validate() throws {
        _ = try operands()
    }

    private func operands() throws -> Operands {
        try Operands(words, ["pool": pool, "file": file, "vol": vol, "inputpool": inputpool], required: 3)
    }

    func run() throws {
        let operands = try operands()
        let manager = try options.manager()
        let pool = try manager.pool(nameOrUUID: operands["pool"])
        let text = operands["vol"]
        let inputPool = operands.optional("inputpool") ?? (text.containsSlash ? nil : pool.name)
        let (source, volume) = try manager.volume(text, pool: inputPool)
        let file = operands["file"]
        var definition = try VolumeDefinition(
            xml: Input.read(file),
            poolKind: pool.definition().kind,
            capacity: .optional,
            source: Input.name(file)
        )
        try copying.apply(to: &definition)
        if let problem = volume.problem { Report.warning("volume '\(volume.name)': \(problem)") }
        try options.makeLong(
            .cloneVolume(
                pool: pool.name,
                definition: definition,
                source: VolumeReference(pool: source.name, name: volume.name)
            ),
            ofVolume: definition.name,
            dryRun,
            manager,
            done: "Vol \(definition.name) created from input vol \(volume.name)"
        )
    }
}

struct VolMap: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vol-map",
        abstract: "Print where the content of a volume lies: data, zeros and holes, as a guest sees them.",
        usage: "storlib vol-map VOL [--pool POOL] [--bytes] [<options>]",
        discussion: """
            Layer 0 is the volume, 1 its backing file, and so on.

            Example: storlib vol-map disk.qcow2 --pool images
            """
    )

    @OptionGroup var operand: VolumeOperand
    @OptionGroup var sizes: Sizes
    @OptionGroup var options: Options

    func run() throws {
        let (pool, volume) = try operand.volume(options.manager())
        let map = try LongWork(title: volume.name, options: options)
            .run { _, cancellation in try pool.mapVolume(named: volume.name, cancellation: cancellation) }
        if options.json { return try Report.json(map) }
        var table = Table(["Start", "Length", "Kind", "Layer", "Offset", "File"], flexibleColumn: 5)
        for entry in map.entries {
            table.append([
                "\(entry.start.bytes)", sizes.text(entry.length), entry.kind.rawValue,
                entry.layer.map { "\($0)" } ?? "-",
                entry.offset.map { "\($0.bytes)" } ?? "-", entry.file ?? "-",
            ])
        }
        table.print()
    }
}

struct VolCheck: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vol-check",
        abstract: "Look at all tables of a volume's image, and say what is wrong with them.",
        usage: "storlib vol-check VOL [--pool POOL] [--repair leaks] [<options>]",
        discussion: """
            The exit status is 0 for a sound image, 2 for a damaged one, 3 where there are leaks alone, and 1 where it could not \
            be looked at: as that of qemu-img check.

            Example: storlib vol-check disk.qcow2 --pool images --repair leaks
            """
    )

    @OptionGroup var operand: VolumeOperand
    @Option(help: ArgumentHelp("Free the clusters that nothing refers to: leaks.", valueName: "what"))
    var repair: String?
    @OptionGroup var options: Options

    func validate() throws {
        if let repair, repair != "leaks" {
            throw ValidationError("--repair wants 'leaks', found '\(repair.printable)'; nothing else is repaired")
        }
    }

    func run() throws {
        let (pool, volume) = try operand.volume(options.manager())
        let check = try LongWork(title: volume.name, options: options)
            .run { _, cancellation in
                try pool.checkVolume(
                    named: volume.name,
                    repairingLeaks: repair != nil,
                    cancellation: cancellation
                )
            }
        options.json ? try Report.json(check) : report(check, volume)
        if check.corruptionCount > 0 { throw ExitCode(2) }
        if check.leakCount > 0 { throw ExitCode(3) }
    }

    private func report(_ check: ImageCheck, _ volume: Volume) {
        for finding in check.findings {
            Report.line("\(finding.kind.rawValue) at byte \(finding.offset.bytes): \(finding.message)")
        }
        let hidden = check.corruptionCount + check.leakCount - check.findings.count
        if hidden > 0 { Report.line("and \(hidden) more") }
        if check.repairedCount > 0 { Report.line("\(check.repairedCount) leaked clusters freed") }
        Report.line(
            check.isClean
                ? "Vol \(volume.name) is sound"
                : "Vol \(volume.name) has \(check.corruptionCount) damaged references and \(check.leakCount) leaked clusters"
        )
        if let total = check.totalUnits {
            Report.line(
                "\(check.allocatedUnits) of \(total) clusters are allocated; the image ends at \(check.endOffset)"
            )
        }
    }
}

struct VolDeclare: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vol-declare",
        abstract: "Say which format a volume has that was not made here.",
        usage: "storlib vol-declare VOL FORMAT [--pool POOL] [--dry-run] [<options>]",
        discussion: """
            From then on the volume has this format, whatever a guest writes into it, and the backing file that it names is \
            followed out of the pool.

            Example: storlib vol-declare disk.img raw --pool images
            """
    )

    @Argument(parsing: .allUnrecognized, help: .hidden, completion: .custom(Completion.volumes))
    var words: [String] = []
    @Option(help: ArgumentHelp("The volume's name, key or path; also as the first argument.", valueName: "volume"))
    var vol: String?
    @Option(help: "The format; also as the second argument.")
    var format: String?
    @Option(help: "The name or UUID of its pool, with which VOL may be a name.")
    var pool: String?
    @OptionGroup var dryRun: DryRun
    @OptionGroup var options: Options

    func validate() throws {
        _ = try operands()
    }

    private func operands() throws -> Operands {
        try Operands(words, ["vol": vol, "format": format, "pool": pool], required: 2)
    }

    func run() throws {
        let operands = try operands()
        let manager = try options.manager()
        let (pool, volume) = try manager.volume(operands["vol"], pool: operands.optional("pool"))
        try options.make(
            .declareVolume(pool: pool.name, name: volume.name, format: VolumeFormat(rawValue: operands["format"])),
            dryRun,
            manager,
            done: "Vol \(volume.name) is declared as \(operands["format"])"
        )
    }
}
