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
                // The build of a start --build is a change of its own, and stays.
                var built = before
                if scenario.command.hasSuffix("--build") { built["images"] = after["images"] }
                #expect(
                    now == before || now == built || isAfterTheChange && now == after,
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
        let strace = try #require(findProgram("strace"))
        var interruptions = 0
        for systemCall in Self.systemCalls {
            for number in 1...40 {
                let session = Session()
                for line in scenario.setUp { try session.succeed(line) }
                let before = try session.snapshot()
                let inject = "inject=\(systemCall):\(injection):when=\(number)"
                let log = NSTemporaryDirectory() + "/storlib-strace-\(UUID().uuidString)"
                defer { try? FileManager.default.removeItem(atPath: log) }
                let arguments = ["-f", "-o", log, "-e", "trace=\(systemCall)", "-e", inject, storlibProgram]
                let outcome = try run(
                    strace,
                    arguments + session.words(scenario.command),
                    environment: session.environment
                )
                let trace = try String(contentsOfFile: log, encoding: .utf8)
                guard trace.contains("(INJECTED)") || trace.contains("killed by SIGKILL") else { break }
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

    /// The snapshot after the command has come to its end.
    private func finished(_ session: Session, _ scenario: Scenario) throws -> [String: String] {
        if scenario.setUp.contains(where: { $0.hasPrefix("pool-start") }), scenario.command.hasPrefix("vol-") {
            try session.succeed("pool-refresh images")
        }
        return try session.snapshot()
    }
}
