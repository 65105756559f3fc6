import ArgumentParser
import StorageKit

/// The options of commands on a part of a volume.
struct VolumePart: ParsableArguments {
    @Option(parsing: .unconditional, help: ArgumentHelp("The first byte of the volume.", valueName: "size"))
    var offset: String?
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The most that is transferred; 0 is all there is.", valueName: "size")
    )
    var length: String?
    @Flag(help: "Keep holes.")
    var sparse = false

    /// The options, of which some may have been given by position.
    func options(_ operands: Operands) throws -> TransferOptions {
        let length = try operands.optional("length").map { text throws(StorageError) in try ByteCount(parsing: text) }
        return TransferOptions(
            offset: try operands.optional("offset")
                .map { text throws(StorageError) in try ByteCount(parsing: text) } ?? .zero,
            length: length == .zero ? nil : length,
            isSparse: sparse
        )
    }
}

struct VolUpload: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vol-upload",
        abstract: "Write a file's bytes over those of a volume.",
        usage: "storlib vol-upload VOL FILE [--pool POOL] [--offset SIZE] [--length SIZE] [--sparse] [<options>]",
        discussion: """
            FILE may be -, the standard input. A raw volume does not grow. With --sparse holes of the file, and runs of zeros \
            of a pipe, become holes of the volume.

            Example: storlib vol-upload disk.img /tmp/disk.img --pool images --sparse
            """
    )

    @Argument(parsing: .allUnrecognized, help: .hidden, completion: .custom(Completion.volumes))
    var words: [String] = []
    @Option(help: ArgumentHelp("The volume's name, key or path; also as the first argument.", valueName: "volume"))
    var vol: String?
    @Option(help: "The file; also as the second argument.", completion: .file())
    var file: String?
    @Option(help: "The name or UUID of its pool, with which VOL may be a name.")
    var pool: String?
    @OptionGroup var part: VolumePart
    @OptionGroup var dryRun: DryRun
    @OptionGroup var options: Options

    func validate() throws {
        _ = try operands()
    }

    private func operands() throws -> Operands {
        try Operands(
            words,
            ["vol": vol, "file": file, "pool": pool, "offset": part.offset, "length": part.length],
            required: 2
        )
    }

    func run() throws {
        let operands = try operands()
        let manager = try options.manager()
        let (pool, volume) = try manager.volume(operands["vol"], pool: operands.optional("pool"))
        let file = operands["file"]
        try options.makeLong(
            .uploadVolume(pool: pool.name, name: volume.name, options: part.options(operands)),
            ofVolume: volume.name,
            from: file == "-" ? .descriptor(0, name: "(standard input)") : .file(file),
            dryRun,
            manager
        )
    }
}

struct VolDownload: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vol-download",
        abstract: "Write a volume's bytes to a file.",
        usage: "storlib vol-download VOL FILE [--pool POOL] [--offset SIZE] [--length SIZE] [--sparse] [<options>]",
        discussion: """
            FILE may be -, the standard output. A file appears whole or not at all, and takes the place of one that is there. \
            With --sparse holes of the volume become holes of the file; on the standard output they are zeros.

            Example: storlib vol-download disk.img /tmp/disk.img --pool images --sparse
            """
    )

    @Argument(parsing: .allUnrecognized, help: .hidden, completion: .custom(Completion.volumes))
    var words: [String] = []
    @Option(help: ArgumentHelp("The volume's name, key or path; also as the first argument.", valueName: "volume"))
    var vol: String?
    @Option(help: "The file; also as the second argument.", completion: .file())
    var file: String?
    @Option(help: "The name or UUID of its pool, with which VOL may be a name.")
    var pool: String?
    @OptionGroup var part: VolumePart
    @OptionGroup var options: Options

    func validate() throws {
        _ = try operands()
    }

    private func operands() throws -> Operands {
        try Operands(
            words,
            ["vol": vol, "file": file, "pool": pool, "offset": part.offset, "length": part.length],
            required: 2
        )
    }

    func run() throws {
        let operands = try operands()
        let (pool, volume) = try options.manager().volume(operands["vol"], pool: operands.optional("pool"))
        if let problem = volume.problem { Report.warning("volume '\(volume.name)': \(problem)") }
        let isOutput = operands["file"] == "-"
        let target: DownloadTarget =
            isOutput ? .descriptor(1, name: "(standard output)") : .file(operands["file"])
        let stream: Terminal.Stream = isOutput ? .error : .output
        _ = try LongWork(title: volume.name, options: options, progressStream: stream)
            .run { progress, cancellation in
                try pool.downloadVolume(
                    named: volume.name,
                    to: target,
                    part.options(operands),
                    progress: progress,
                    cancellation: cancellation
                )
            }
        if options.json { try Report.jsonLine(volume, to: stream) }
    }
}

struct VolWipe: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vol-wipe",
        abstract: "Overwrite all that a volume has on its disk.",
        usage: "storlib vol-wipe VOL [--pool POOL] [--algorithm ALGORITHM] [--force] [--dry-run] [<options>]",
        discussion: """
            ALGORITHM is \(WipeAlgorithm.allCases.map(\.rawValue).joined(separator: ", ")); the default is zero. Of an image \
            nothing is left: the volume is raw then. Holes stay holes.

            Example: storlib vol-wipe disk.img --pool images --algorithm nnsa
            """
    )

    @Argument(parsing: .allUnrecognized, help: .hidden, completion: .custom(Completion.volumes))
    var words: [String] = []
    @Option(help: ArgumentHelp("The volume's name, key or path; also as the first argument.", valueName: "volume"))
    var vol: String?
    @Option(help: "The name or UUID of its pool, with which VOL may be a name.")
    var pool: String?
    @Option(
        help: ArgumentHelp("The passes.", valueName: "algorithm"),
        completion: .list(WipeAlgorithm.allCases.map(\.rawValue))
    )
    var algorithm: String?
    @Flag(help: "Go on where the file system writes elsewhere, and the old content stays on the disk.")
    var force = false
    @OptionGroup var dryRun: DryRun
    @OptionGroup var options: Options

    func validate() throws {
        _ = try chosenAlgorithm(operands())
    }

    private func operands() throws -> Operands {
        try Operands(words, ["vol": vol, "pool": pool, "algorithm": algorithm], required: 1)
    }

    private func chosenAlgorithm(_ operands: Operands) throws -> WipeAlgorithm {
        guard let text = operands.optional("algorithm") else { return .zero }
        guard let algorithm = WipeAlgorithm(rawValue: text) else {
            let known = WipeAlgorithm.allCases.map(\.rawValue).joined(separator: ", ")
            throw ValidationError("there is no wipe algorithm '\(text.printable)': \(known)")
        }
        return algorithm
    }

    func run() throws {
        let operands = try operands()
        let manager = try options.manager()
        let (pool, volume) = try manager.volume(operands["vol"], pool: operands.optional("pool"))
        try options.makeLong(
            .wipeVolume(
                pool: pool.name,
                name: volume.name,
                algorithm: chosenAlgorithm(operands),
                isForced: force
            ),
            ofVolume: volume.name,
            dryRun,
            manager,
            done: "Vol \(operands["vol"]) wiped"
        )
    }
}
