import Foundation
import Testing

/// What a program that has ended left behind.
struct Outcome: Sendable {
    let status: Int32
    let output: String
    let error: String
}

/// Runs a program to its end.
func run(_ program: String, _ arguments: [String], environment: [String: String] = [:], input: String = "") throws
    -> Outcome
{
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { _, new in new }
    let folder = NSTemporaryDirectory() + "/storlib-run-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    // Files, not pipes: a full pipe would stop the program.
    func file(_ name: String) throws -> FileHandle {
        try Data(name == "in" ? input.utf8 : "".utf8).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
        return try FileHandle(forUpdating: URL(fileURLWithPath: "\(folder)/\(name)"))
    }
    process.standardInput = try file("in")
    process.standardOutput = try file("out")
    process.standardError = try file("err")
    try process.run()
    process.waitUntilExit()
    func text(_ name: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)")), as: UTF8.self)
    }
    return Outcome(
        status: process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus,
        output: try text("out"),
        error: try text("err")
    )
}

/// The folder with what the package builds, where the test program lies too.
let productFolder: String = {
    let program = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    // swift test runs Swift Testing either in the package's own program or in a helper that loads it.
    if program.contains("/.build") { return (program as NSString).deletingLastPathComponent }
    let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? CommandLine.arguments[0]
    return (bundle as NSString).deletingLastPathComponent
}()

let storlibProgram = productFolder + "/storlib"

/// A scratch folder with state folders, and the program run on them.
final class Session: Sendable {
    let path: String

    init(in folder: String = NSTemporaryDirectory()) {
        path = folder + (folder.hasSuffix("/") ? "" : "/") + "storlib-cli-" + UUID().uuidString.prefix(8)
        try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    var environment: [String: String] {
        ["STORLIB_CONFIG_DIR": path + "/config", "STORLIB_RUN_DIR": path + "/run", "NO_COLOR": "1"]
    }

    /// Runs a command line, split at spaces; `@` stands for the scratch folder.
    @discardableResult
    func storlib(_ line: String, input: String = "") throws -> Outcome {
        try storlib(words: words(line), input: input)
    }

    func storlib(words: [String], input: String = "") throws -> Outcome {
        try run(storlibProgram, words, environment: environment, input: input)
    }

    /// Runs a command that must succeed, and gives its output.
    @discardableResult
    func succeed(_ line: String, sourceLocation: SourceLocation = #_sourceLocation) throws -> String {
        let outcome = try storlib(line)
        #expect(outcome.status == 0, "\(line): \(outcome.error)", sourceLocation: sourceLocation)
        #expect(outcome.error == "", sourceLocation: sourceLocation)
        return outcome.output
    }

    func words(_ line: String) -> [String] {
        line.split(separator: " ").map { $0.replacingOccurrences(of: "@", with: path) }
    }

    func write(_ text: String, to name: String) throws {
        try text.write(toFile: "\(path)/\(name)", atomically: false, encoding: .utf8)
    }

    private static let stateFolders = ["config", "config/pools", "config/pools/autostart", "run", "run/pools"]

    /// The files below the scratch folder with their sizes, and the content of documents.
    ///
    /// Left out are what says nothing of
    /// pools and volumes, locks and empty state folders, and what is random, UUIDs.
    func snapshot() throws -> [String: String] {
        var snapshot: [String: String] = [:]
        for name in FileManager.default.enumerator(atPath: path)?.compactMap({ $0 as? String }) ?? [] {
            let full = "\(path)/\(name)"
            if name.hasSuffix(".lock") || Self.stateFolders.contains(name) { continue }
            let attributes = try FileManager.default.attributesOfItem(atPath: full)
            let mode = (attributes[.posixPermissions] as? NSNumber)?.intValue ?? 0
            let type = attributes[.type] as? FileAttributeType
            if type == .typeDirectory {
                snapshot[name] = "directory \(mode)"
            } else if name.hasSuffix(".xml") {
                let text = (try? String(contentsOfFile: full, encoding: .utf8)) ?? "link"
                snapshot[name] = text.replacing(#/<uuid>.*?</uuid>/#, with: "<uuid/>")
            } else {
                snapshot[name] = "\(attributes[.size] ?? 0) \(mode)"
            }
        }
        return snapshot
    }
}

/// Whether a program of the test machine is there.
func findProgram(_ name: String) -> String? {
    ["/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/"].map { $0 + name }
        .first { FileManager.default.isExecutableFile(atPath: $0) }
}

let isRoot = geteuid() == 0
