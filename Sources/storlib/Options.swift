import ArgumentParser
import StorageKit

/// The options that every command has.
struct Options: ParsableArguments {
    @Option(name: .customLong("config-dir"), help: ArgumentHelp("The folder of the definitions.", valueName: "dir"))
    var configuration: String?

    @Option(name: .customLong("run-dir"), help: ArgumentHelp("The folder of what runs.", valueName: "dir"))
    var run: String?

    @Option(help: ArgumentHelp("Wait this long for a pool that another program holds.", valueName: "seconds"))
    var lockTimeout: Double = 10

    @Flag(help: "Print JSON: the library's types, as the documentation describes them.")
    var json = false

    func validate() throws {
        guard lockTimeout >= 0, lockTimeout <= 86_400 else {
            throw ValidationError("--lock-timeout wants 0 to 86400 seconds")
        }
    }

    func manager() throws -> StorageManager {
        for folder in [configuration, run].compactMap(\.self) where !folder.hasPrefix("/") {
            throw StorageError(.invalidArgument, "the state folder '\(folder.printable)' is not an absolute path")
        }
        let folders: StateFolders
        if let configuration, let run {
            folders = StateFolders(configuration: configuration, run: run)
        } else {
            var standard = try StateFolders.standard()
            standard.configuration = configuration ?? standard.configuration
            standard.run = run ?? standard.run
            folders = standard
        }
        return StorageManager(folders: folders, lockTimeout: .milliseconds(Int(lockTimeout * 1000)))
    }
}

/// The option of commands that change something.
struct DryRun: ParsableArguments {
    @Flag(help: "Print what would be done, and do nothing.")
    var dryRun = false
}

/// The option of commands that print sizes.
struct Sizes: ParsableArguments {
    @Flag(help: "Print sizes in bytes.")
    var bytes = false

    func text(_ size: ByteCount) -> String { bytes ? "\(size.bytes)" : size.description }
}

/// The options of commands that may build a pool.
struct Build: ParsableArguments {
    @Flag(help: "Build the pool first.")
    var build = false

    @OptionGroup var overwriting: Overwriting

    var mode: BuildMode? {
        build || overwriting.mode != .standard ? overwriting.mode : nil
    }
}

/// What a build does with data that it finds.
struct Overwriting: ParsableArguments {
    @Flag(name: .customLong("no-overwrite"), help: "Refuse to build over anything that is there.")
    var noOverwrite = false

    @Flag(help: "Build over whatever is there, which is lost.")
    var overwrite = false

    var mode: BuildMode {
        overwrite ? .overwrite : noOverwrite ? .noOverwrite : .standard
    }

    func validate() throws {
        if overwrite, noOverwrite {
            throw ValidationError("--overwrite and --no-overwrite exclude each other")
        }
    }
}
