import Foundation
import Testing

/// Each change, with each of its system calls in turn failing, or being the last one before the program is killed.
///
/// Whatever happens, the state folders and the directory are as before the command or as after it, the other commands
/// work, and a second try succeeds.
@Suite(.enabled("strace is not installed") { findProgram("strace") != nil })
struct InterruptionTests {
    struct Scenario: Sendable, CustomTestStringConvertible {
        let setUp: [String]
        let command: String
        /// Those that are interrupted.
        var calls = InterruptionTests.systemCalls
        var testDescription: String { command }
    }

    static let scenarios: [Scenario] = [
        Scenario(setUp: [], command: "pool-define-as images dir --target @/images"),
        Scenario(
            setUp: ["pool-define-as images dir --target @/images"],
            command: "pool-define-as images dir --target @/changed"
        ),
        Scenario(setUp: ["pool-define-as images dir --target @/a/images"], command: "pool-build images"),
        Scenario(setUp: ["pool-define-as images dir --target @/images"], command: "pool-start images --build"),
        Scenario(setUp: ["pool-define-as images dir --target @/images"], command: "pool-autostart images"),
        Scenario(setUp: running, command: "vol-create-as images a 3M --allocation 1M"),
        Scenario(setUp: running + ["vol-create-as images a 1M"], command: "vol-resize a 2M --pool images --allocate"),
        Scenario(setUp: running + ["vol-create-as images a 1M"], command: "vol-delete a --pool images"),
        Scenario(
            setUp: running + ["vol-create-as images a 1M", "vol-create-as images b 1M"],
            command: "vol-upload a @/images/b --pool images"
        ),
        Scenario(setUp: running + ["vol-create-as images a 1M"], command: "vol-download a @/target --pool images"),
        Scenario(setUp: running + ["vol-create-as images a 1M"], command: "vol-wipe a --pool images"),
        Scenario(setUp: running, command: "vol-create-as images a 8M --format qcow2", calls: makingCalls),
        Scenario(
            setUp: running,
            command: "vol-create-as images a.vmdk 1M --format vmdk --subformat monolithicFlat",
            calls: makingCalls
        ),
        Scenario(
            setUp: running + ["vol-create-as images a 1M"],
            command: "vol-clone a b --pool images --format qcow2",
            calls: makingCalls + ["flock", "lseek"]
        ),
        Scenario(
            setUp: running + ["vol-create-as images a.vmdk 1M --format vmdk --subformat monolithicFlat"],
            command: "vol-delete a.vmdk --pool images",
            calls: ["unlinkat", "fsync", "flock"]
        ),
        Scenario(setUp: running, command: "pool-destroy images"),
        Scenario(setUp: running + ["pool-destroy images"], command: "pool-delete images"),
        Scenario(
            setUp: ["pool-define-as images dir --target @/images", "pool-autostart images"],
            command: "pool-undefine images"
        ),
    ]

    private static let running = ["pool-define-as images dir --target @/images", "pool-start images --build"]

    /// The calls with which something can change, or can be seen to have changed.
    private static let systemCalls = [
        "openat2", "pwrite64", "fsync", "renameat2", "linkat", "unlinkat", "ftruncate", "fallocate", "fchmod",
        "symlinkat", "mkdirat", "flock", "copy_file_range", "fsetxattr", "fdatasync",
    ]

    /// What making a volume changes with.
    private static let makingCalls = ["pwrite64", "fsync", "linkat", "ftruncate", "fchmod", "fsetxattr"]

    @Test(arguments: scenarios) func killedAtAnySystemCall(scenario: Scenario) throws {
        try interrupt(scenario, "signal=KILL") { outcome, before, after, now, context in
            #expect(now == before || now == after || isBetween(now, before, after), "\(context)")
        }
    }

    @Test(arguments: scenarios) func failingAtAnySystemCall(scenario: Scenario) throws {
        try interrupt(scenario, "error=EIO") { outcome, before, after, now, context in
            #expect(outcome.status == 0 || outcome.status == 1, "\(context)")
            if outcome.status == 0 {
                #expect(now == after, "\(context)")
            } else {
                #expect(outcome.error.hasPrefix("error: "), "\(context)")
                #expect(outcome.error.split(separator: "\n").count == 1, "\(context)")
                // Past the one call that makes the change, only its lasting through a crash can fail.
                let isAfterTheChange = context.contains("fsync")
                // The data of an image that is gone is a volume of its own.
                let isPartlyRemoved = scenario.command.hasPrefix("vol-delete") && context.contains("unlinkat")
                // The build of a start --build is a change of its own, and stays.
                var built = before
                if scenario.command.hasSuffix("--build") { built["images"] = after["images"] }
                #expect(
                    now == before || now == built || isAfterTheChange && now == after
                        || isPartlyRemoved && isBetween(now, before, after),
                    "\(context): \(outcome.error) \(now) \(before)"
                )
            }
        }
    }

    /// What is left is whole files of the one state or of the other, and leftovers that are swept up.
    private func isBetween(_ now: [String: String], _ before: [String: String], _ after: [String: String]) -> Bool {
        now.allSatisfy { name, content in
            name.contains(".storlib-") || before[name] == content || after[name] == content
                // A directory that is not finished has a mode of its own.
                || content.hasPrefix("directory") && after[name]?.hasPrefix("directory") == true
        }
    }

    private func interrupt(
        _ scenario: Scenario,
        _ injection: String,
        check: (Outcome, [String: String], [String: String], [String: String], String) throws -> Void
    ) throws {
        var interruptions = 0
        let whole = Session()
        for line in scenario.setUp { try whole.succeed(line) }
        for (systemCall, count) in try counts(of: scenario.calls, whole, scenario.command) {
            for number in 1...count {
                let session = Session()
                for line in scenario.setUp { try session.succeed(line) }
                let before = try session.snapshot()
                let inject = "inject=\(systemCall):\(injection):when=\(number)"
                guard let outcome = try interrupted(session, scenario.command, systemCall, inject) else { break }
                interruptions += 1
                let context = "\(scenario.command) with \(inject)"
                let now = try session.snapshot()
                let status = try session.storlib("pool-list --all")
                #expect(status.status == 0 && !status.output.contains("damaged"), "\(context): \(status)")
                // A second try succeeds, or says that the first one did.
                let again = try session.storlib(scenario.command)
                #expect(again.status == 0 || now != before, "\(context): \(again.error)")
                let after = try finished(session, scenario)
                try check(outcome, before, after, now, context)
            }
        }
        #expect(interruptions >= 4, "\(scenario.command) was interrupted \(interruptions) times only")
    }

    /// How often a command makes each of some system calls, at most 40 times, of those that it makes.
    private func counts(of calls: [String], _ session: Session, _ command: String) throws -> [(String, Int)] {
        let log = session.path + "/strace"
        let arguments = ["-f", "-o", log, "-e", "trace=\(calls.joined(separator: ","))", storlibProgram]
        let strace = try #require(findProgram("strace"))
        let outcome = try run(strace, arguments + session.words(command), environment: session.environment)
        try #require(outcome.status == 0, "\(command): \(outcome.error)")
        let lines = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n")
        return calls.compactMap { call in
            let count = lines.count { $0.contains(" \(call)(") }
            return count == 0 ? nil : (call, min(count, 40))
        }
    }

    /// Runs a command with an injection; nil where it does not meet it.
    private func interrupted(
        _ session: Session,
        _ command: String,
        _ systemCall: String,
        _ inject: String
    ) throws -> Outcome? {
        let log = NSTemporaryDirectory() + "/storlib-strace-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: log) }
        let arguments = ["-f", "-o", log, "-e", "trace=\(systemCall)", "-e", inject, storlibProgram]
        let outcome = try run(
            try #require(findProgram("strace")),
            arguments + session.words(command),
            environment: session.environment
        )
        let trace = try String(contentsOfFile: log, encoding: .utf8)
        return trace.contains("(INJECTED)") || trace.contains("killed by SIGKILL") ? outcome : nil
    }

    // MARK: Images that are changed in place

    private static let imageChanges = [
        // With clusters of 512 bytes 1 GiB has an L1 table of 512 clusters.
        "vol-resize a 1G --pool images", "vol-check a --pool images --repair leaks",
        "vol-declare a qcow2 --pool images",
    ]

    /// A qcow2 image in whose tables something changes is sound at every moment, or has leaks alone, and holds what it held.
    @Test(arguments: imageChanges, ["signal=KILL", "error=EIO"])
    func anImageStaysSound(command: String, injection: String) throws {
        let image = try Self.image.get()
        let tool = try #require(findProgram("qemu-img"), "qemu-img is not installed")
        var interruptions = 0
        func start() throws -> Session {
            let session = Session()
            for line in Self.running { try session.succeed(line) }
            try image.write(to: URL(fileURLWithPath: session.path + "/images/a"))
            return session
        }
        for (systemCall, count) in try counts(of: ["pwrite64", "fsync", "ftruncate", "fsetxattr"], start(), command) {
            for number in 1...count {
                let session = try start()
                let path = session.path + "/images/a"
                func disk() throws -> Data {
                    let outcome = try run(tool, ["convert", "-f", "qcow2", "-O", "raw", path, session.path + "/disk"])
                    try #require(outcome.status == 0, "\(outcome)")
                    return try FileHandle(forReadingFrom: URL(fileURLWithPath: session.path + "/disk"))
                        .read(upToCount: 1 << 20) ?? Data()
                }
                let before = try disk()
                let inject = "inject=\(systemCall):\(injection):when=\(number)"
                guard let outcome = try interrupted(session, command, systemCall, inject) else { break }
                interruptions += 1
                let context = "\(command) with \(inject): \(outcome.error)"
                let check = try run(tool, ["check", "-f", "qcow2", path])
                #expect(check.status == 0 || check.status == 3, "\(context): \(check)")
                #expect(try disk() == before, "\(context)")
                if injection.hasPrefix("error") {
                    #expect(outcome.status == 1 && outcome.error.split(separator: "\n").count == 1, "\(context)")
                }
                let information = try session.succeed("vol-info a --pool images --bytes")
                #expect(
                    information.contains("(probed)")
                        || command.hasPrefix("vol-declare") && information.contains("qcow2 (declared)")
                )
                #expect(!information.contains("Problem"), "\(context): \(information)")
                let again = try session.storlib(command)
                #expect(again.status == 0, "\(context): \(again.error)")
                let end = try session.succeed("vol-info a --pool images --bytes")
                if command.hasPrefix("vol-resize") {
                    #expect(end.contains("Capacity:       1073741824 bytes\n"), "\(context)")
                }
                if command.hasPrefix("vol-check") {
                    #expect(try run(tool, ["check", "-f", "qcow2", path]).status == 0, "\(context)")
                }
                if command.hasPrefix("vol-declare") { #expect(end.contains("qcow2 (declared)"), "\(context)") }
                #expect(try disk() == before, "\(context)")
            }
        }
        #expect(interruptions >= 2, "\(command) was interrupted \(interruptions) times only")
    }

    /// A qcow2 image of 1 MiB with clusters of 512 bytes, which holds data and has a leaked cluster.
    private static let image = Result {
        let session = Session()
        let tool = try #require(findProgram("qemu-img"), "qemu-img is not installed")
        let (disk, path) = (session.path + "/disk", session.path + "/image")
        try Data((0..<(1 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 / 256) })
            .write(to: URL(fileURLWithPath: disk))
        let options = ["-f", "raw", "-O", "qcow2", "-o", "cluster_size=512"]
        try #require(run(tool, ["convert"] + options + [disk, path]).status == 0)
        var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        func number(_ offset: Int) -> Int { bytes[offset..<offset + 8].reduce(0) { $0 << 8 | Int($1) } }
        let cluster = (bytes.count + 511) / 512
        // 256 counts of 16 bits to a block.
        let block = number(number(48) + cluster / 256 * 8)
        try #require(block > 0)
        bytes[block + cluster % 256 * 2 + 1] = 1
        bytes += [UInt8](repeating: 0, count: (cluster + 1) * 512 - bytes.count)
        return Data(bytes)
    }

    /// The snapshot after the command has come to its end.
    private func finished(_ session: Session, _ scenario: Scenario) throws -> [String: String] {
        if scenario.setUp.contains(where: { $0.hasPrefix("pool-start") }), scenario.command.hasPrefix("vol-") {
            try session.succeed("pool-refresh images")
        }
        return try session.snapshot()
    }
}
