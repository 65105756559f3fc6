import ArgumentParser
import StorageKit

struct PoolDefine: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pool-define",
        abstract: "Define a pool from a document, or define it anew.",
        usage: "storlib pool-define FILE [--dry-run] [<options>]",
        discussion: "Example: storlib pool-define images.xml"
    )

    @OptionGroup var document: DocumentOperand
    @OptionGroup var dryRun: DryRun
    @OptionGroup var options: Options

    func run() throws {
        let definition = try document.pool()
        try options.make(
            .define(pool: definition),
            dryRun,
            options.manager(),
            done: "Pool \(definition.name) defined from \(document.file)"
        )
    }
}

struct PoolDefineAs: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pool-define-as",
        abstract: "Define a pool from arguments.",
        usage: "storlib pool-define-as NAME TYPE [<source and target options>] [--print-xml] [--dry-run] [<options>]",
        discussion: """
            As with virsh, the options may also be given as words in the order source-host, source-path, source-dev,
            source-name, target; a dash stands for none.

            Example: storlib pool-define-as images dir --target /srv/images
            """
    )

    @OptionGroup var arguments: DefinitionArguments
    @OptionGroup var dryRun: DryRun
    @OptionGroup var options: Options

    func run() throws {
        let definition = try arguments.definition()
        guard !arguments.printXML else { return try Report.document(definition, definition.xml(), options) }
        try options.make(.define(pool: definition), dryRun, options.manager(), done: "Pool \(definition.name) defined")
    }
}

struct PoolCreate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pool-create",
        abstract: "Start a pool from a document, without defining it.",
        usage: "storlib pool-create FILE [--build] [--dry-run] [<options>]",
        discussion: "Example: storlib pool-create scratch.xml --build"
    )

    @OptionGroup var document: DocumentOperand
    @OptionGroup var build: Build
    @OptionGroup var dryRun: DryRun
    @OptionGroup var options: Options

    func run() throws {
        let definition = try document.pool()
        try options.make(
            .create(pool: definition, build: build.mode),
            dryRun,
            options.manager(),
            done: "Pool \(definition.name) created from \(document.file)"
        )
    }
}

struct PoolCreateAs: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pool-create-as",
        abstract: "Start a pool from arguments, without defining it.",
        usage: "storlib pool-create-as NAME TYPE [<source and target options>] [--build] [--print-xml] [<options>]",
        discussion: "Example: storlib pool-create-as scratch dir --target /tmp/scratch --build"
    )

    @OptionGroup var arguments: DefinitionArguments
    @OptionGroup var build: Build
    @OptionGroup var dryRun: DryRun
    @OptionGroup var options: Options

    func run() throws {
        let definition = try arguments.definition()
        guard !arguments.printXML else { return try Report.document(definition, definition.xml(), options) }
        try options.make(
            .create(pool: definition, build: build.mode),
            dryRun,
            options.manager(),
            done: "Pool \(definition.name) created"
        )
    }
}

struct PoolUndefine: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pool-undefine",
        abstract: "Remove the definition of a pool that does not run; its storage stays.",
        usage: "storlib pool-undefine POOL [--dry-run] [<options>]",
        discussion: "Example: storlib pool-undefine images"
    )

    @OptionGroup var operand: PoolOperand
    @OptionGroup var dryRun: DryRun
    @OptionGroup var options: Options

    func run() throws {
        let manager = try options.manager()
        let name = try operand.pool(manager).name
        try options.make(.undefine(pool: name), dryRun, manager, done: "Pool \(name) has been undefined")
    }
}

/// The operand of commands that read a pool's document.
struct DocumentOperand: ParsableArguments {
    @Argument(parsing: .allUnrecognized, help: .hidden, completion: .file(extensions: ["xml"]))
    var words: [String] = []

    @Option(
        name: .customLong("file"),
        help: ArgumentHelp("The document; also as the first argument.", valueName: "file")
    )
    var fileOption: String?

    @Flag(name: .customLong("validate"), help: "Accepted as by virsh: documents are always read strictly.")
    var validatesSchema = false

    func validate() throws {
        _ = try Operands(words, ["file": fileOption], required: 1)
    }

    var file: String {
        (try? Operands(words, ["file": fileOption], required: 1)["file"]) ?? ""
    }

    func pool() throws(StorageError) -> PoolDefinition {
        try PoolDefinition(xml: Input.read(file), source: Input.name(file))
    }
}
