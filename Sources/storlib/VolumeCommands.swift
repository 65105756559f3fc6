import ArgumentParser
import StorageKit

struct VolCreate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vol-create",
        abstract: "Make a volume from a document.",
        usage: "storlib vol-create POOL FILE [--dry-run] [<options>]",
        discussion: "Example: storlib vol-create images disk.xml"
    )

    @Argument(parsing: .allUnrecognized, help: .hidden, completion: .custom(Completion.pools))
    var words: [String] = []
    @Option(help: "The pool's name or UUID; also as the first argument.")
    var pool: String?
    @Option(help: "The document; also as the second argument.")
    var file: String?
    @Flag(name: .customLong("validate"), help: "Accepted as by virsh: documents are always read strictly.")
    var validatesSchema = false
    @OptionGroup var dryRun: DryRun
    @OptionGroup var options: Options

    func validate() throws {
        _ = try operands()
    }

    private func operands() throws -> Operands {
        try Operands(words, ["pool": pool, "file": file], required: 2)
    }

    func run() throws {
        let operands = try operands()
        let manager = try options.manager()
        let pool = try manager.pool(nameOrUUID: operands["pool"])
        let file = operands["file"]
        let definition = try VolumeDefinition(
            xml: Input.read(file),
            poolKind: pool.definition().kind,
            source: Input.name(file)
        )
        try options.make(
            .createVolume(pool: pool.name, definition: definition),
            dryRun,
            manager,
            done: "Vol \(definition.name) created from \(file)"
        )
    }
}

struct VolCreateAs: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vol-create-as",
        abstract: "Make a volume from arguments.",
        usage:
            "storlib vol-create-as POOL NAME CAPACITY [--allocation SIZE] [--format FORMAT] [--print-xml] [<options>]",
        discussion: """
            Without --allocation all of the capacity is allocated at once; with 0 the volume is sparse.

            Example: storlib vol-create-as images disk.img 10G --allocation 0
            """
    )

    @Argument(parsing: .allUnrecognized, help: .hidden, completion: .custom(Completion.pools))
    var words: [String] = []
    @Option(help: "The pool's name or UUID; also as the first argument.")
    var pool: String?
    @Option(help: "The volume's name; also as the second argument.")
    var name: String?
    @Option(parsing: .unconditional, help: ArgumentHelp("The size; also as the third argument.", valueName: "size"))
    var capacity: String?
    @Option(parsing: .unconditional, help: ArgumentHelp("What is allocated at once.", valueName: "size"))
    var allocation: String?
    @Option(help: "The format: \(ImageFormat.creatableNames).")
    var format: String?
    @Option(help: ArgumentHelp("What of the image is set aside: off, metadata, falloc or full.", valueName: "mode"))
    var preallocation: String?
    @Flag(help: "As --preallocation metadata.")
    var preallocMetadata = false
    @Option(help: ArgumentHelp("The variety of the format, such as monolithicFlat of vmdk.", valueName: "name"))
    var subformat: String?
    @Option(parsing: .unconditional, help: ArgumentHelp("The size of the format's clusters.", valueName: "size"))
    var clusterSize: String?
    @Option(help: ArgumentHelp("The level of qcow2: 0.10 or 1.1.", valueName: "level"))
    var compat: String?
    @Option(help: ArgumentHelp("Features of qcow2: lazy_refcounts,extended_l2.", valueName: "names"))
    var features: String?
    @Flag(help: "Take the file out of btrfs' copy-on-write.")
    var nocow = false
    @Option(help: ArgumentHelp("The volume of which this one holds the differences.", valueName: "path"))
    var backingVol: String?
    @Option(help: ArgumentHelp("The format of that volume.", valueName: "format"))
    var backingVolFormat: String?
    @Flag(name: .customLong("print-xml"), help: "Print the document, and do nothing.")
    var printXML = false
    @OptionGroup var dryRun: DryRun
    @OptionGroup var options: Options

    func validate() throws {
        _ = try operands()
    }

    private func operands() throws -> Operands {
        try Operands(
            words,
            [
                "pool": pool, "name": name, "capacity": capacity, "allocation": allocation, "format": format,
                "backing-vol": backingVol, "backing-vol-format": backingVolFormat,
            ],
            required: 3
        )
    }

    func run() throws {
        let operands = try operands()
        let manager = try options.manager()
        let pool = try manager.pool(nameOrUUID: operands["pool"])
        var definition = VolumeDefinition(
            name: operands["name"],
            capacity: try ByteCount(parsing: operands["capacity"]),
            allocation: try operands.optional("allocation")
                .map { text throws(StorageError) in
                    try ByteCount(parsing: text)
                },
            format: try operands.optional("format").map { VolumeFormat(rawValue: $0) }
                ?? pool.definition().kind.volumeFormats.first
        )
        definition.backingFile = operands.optional("backing-vol")
            .map { path in
                BackingFile(
                    path: path,
                    format: operands.optional("backing-vol-format").map { VolumeFormat(rawValue: $0) }
                )
            }
        try addImageOptions(to: &definition)
        guard !printXML else { return try Report.document(definition, definition.xml(), options) }
        try options.make(
            .createVolume(pool: pool.name, definition: definition),
            dryRun,
            manager,
            done: "Vol \(definition.name) created"
        )
    }
}

extension VolCreateAs {
    private func addImageOptions(to definition: inout VolumeDefinition) throws(StorageError) {
        if preallocMetadata { definition.preallocation = .metadata }
        if let preallocation {
            guard let mode = ImagePreallocation(rawValue: preallocation) else {
                throw StorageError(
                    .invalidArgument,
                    "--preallocation wants off, metadata, falloc or full, found '\(preallocation.printable)'"
                )
            }
            definition.preallocation = mode
        }
        definition.subformat = subformat
        if let clusterSize { definition.clusterSize = try ByteCount(parsing: clusterSize) }
        definition.compatibility = compat
        definition.noCopyOnWrite = nocow
        guard let features else { return }
        definition.features = []
        for name in features.split(separator: ",") {
            guard let feature = VolumeFeature(rawValue: String(name)) else {
                throw StorageError(
                    .invalidArgument,
                    "qcow2 has no feature '\(String(name).printable)' that can be chosen",
                    hint: "it has \(VolumeFeature.allCases.map(\.rawValue).joined(separator: ", "))"
                )
            }
            definition.features?.insert(feature)
        }
    }
}

struct VolDelete: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vol-delete",
        abstract: "Remove a volume and its data.",
        usage: "storlib vol-delete VOL [--pool POOL] [--dry-run] [<options>]",
        discussion: "Example: storlib vol-delete disk.img --pool images"
    )

    @OptionGroup var operand: VolumeOperand
    @OptionGroup var dryRun: DryRun
    @OptionGroup var options: Options

    func run() throws {
        let manager = try options.manager()
        let (pool, volume) = try operand.volume(manager)
        try options.make(
            .deleteVolume(pool: pool.name, name: volume.name),
            dryRun,
            manager,
            done: "Vol \(operand.text()) deleted"
        )
    }
}

struct VolResize: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vol-resize",
        abstract: "Change the size of a volume.",
        usage:
            "storlib vol-resize VOL CAPACITY [--pool POOL] [--allocate] [--delta] [--shrink] [--dry-run] [<options>]",
        discussion: "Example: storlib vol-resize disk.img 20G --pool images"
    )

    @Argument(parsing: .allUnrecognized, help: .hidden, completion: .custom(Completion.volumes))
    var words: [String] = []
    @Option(help: "The volume's name, key or path; also as the first argument.")
    var vol: String?
    @Option(parsing: .unconditional, help: ArgumentHelp("The size; also as the second argument.", valueName: "size"))
    var capacity: String?
    @Option(help: "The name or UUID of its pool, with which VOL may be a name.")
    var pool: String?
    @Flag(help: "Allocate what is added.")
    var allocate = false
    @Flag(help: "Add the size to the one that is; with --shrink take it away.")
    var delta = false
    @Flag(help: "Let the volume become smaller, which destroys the data behind the new end.")
    var shrink = false
    @OptionGroup var dryRun: DryRun
    @OptionGroup var options: Options

    func validate() throws {
        _ = try operands()
    }

    private func operands() throws -> Operands {
        try Operands(words, ["vol": vol, "capacity": capacity, "pool": pool], required: 2)
    }

    func run() throws {
        let operands = try operands()
        let manager = try options.manager()
        let (pool, volume) = try manager.volume(operands["vol"], pool: operands.optional("pool"))
        // virsh takes a negative size with --shrink to mean a difference.
        let text = operands["capacity"]
        let isNegative = shrink && text.hasPrefix("-")
        let size = try ByteCount(parsing: isNegative ? String(text.dropFirst()) : text)
        let isDifference = delta || isNegative
        let newSize = VolumeSize(
            size,
            reference: !isDifference ? .absolute : shrink ? .removed : .added,
            allocates: allocate,
            allowsShrinking: shrink
        )
        let word = isDifference ? "by" : "to"
        try options.make(
            .resizeVolume(pool: pool.name, name: volume.name, size: newSize),
            dryRun,
            manager,
            done: "Size of volume '\(volume.name)' successfully changed \(word) \(text)"
        )
    }
}
