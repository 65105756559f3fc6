import Foundation
import StorageKit
import Testing

/// vol-upload, vol-download and vol-wipe as a user meets them.
struct TransferCommandTests {
    private let session = Session()

    private func start() throws {
        try session.succeed("pool-define-as images dir --target @/images")
        try session.succeed("pool-start images --build")
    }

    private func write(_ bytes: [UInt8], to name: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: "\(session.path)/\(name)"))
    }

    private func bytes(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(session.path)/\(name)")))
    }

    private static func pattern(_ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 / 256) }
    }

    private func problem() throws -> Bool {
        try session.succeed("vol-info a --pool images").contains("Problem:        ")
    }

    @Test func theMainJob() throws {
        try start()
        try session.succeed("vol-create-as images a 3000000 --allocation 0")
        let content = Self.pattern(3_000_000)
        try write(content, to: "source")
        // As virsh: nothing is printed.
        #expect(try session.succeed("vol-upload a @/source --pool images") == "")
        #expect(try bytes("images/a") == content)
        #expect(try session.succeed("vol-download --pool images --vol a --file @/target --sparse") == "")
        #expect(try bytes("target") == content)
        #expect(try session.succeed("vol-download @/images/a @/part images 1000 9") == "")
        #expect(try bytes("part") == Array(content[1000..<1009]))
        #expect(try session.succeed("vol-upload a @/part --pool images --offset 1K --length 3") == "")
        #expect(try Array(bytes("images/a")[1024..<1028]) == Array(content[1000..<1003]) + [content[1027]])
        #expect(try session.succeed("vol-wipe a --pool images") == "Vol a wiped\n")
        #expect(try bytes("images/a").allSatisfy { $0 == 0 })
        #expect(try session.succeed("vol-wipe a images dod") == "Vol a wiped\n")
        #expect(try bytes("images/a").allSatisfy { $0 == 0xFF })
        #expect(try session.succeed("-q vol-wipe a --pool images --algorithm trim") == "")
        #expect(try session.succeed("vol-info a --pool images --bytes").contains("Allocation:     0 bytes"))
    }

    @Test func standardInputAndOutput() throws {
        try start()
        try session.succeed("vol-create-as images a 100000")
        let shell = try #require(findProgram("sh"))
        let content = Self.pattern(100_000)
        try write(content, to: "source")
        let script = """
            cat $0/source | $1 vol-upload a - --pool images && $1 vol-download a - --pool images | cat > $0/piped &&
            $1 vol-upload a - --pool images --sparse < $0/source && $1 vol-download a - --pool images > $0/redirected &&
            $1 vol-download a /dev/stdout --pool images | cat > $0/device && mkfifo $0/fifo &&
            { cat $0/fifo > $0/from-fifo & $1 vol-download a $0/fifo --pool images; wait; }
            """
        let outcome = try run(shell, ["-c", script, session.path, storlibProgram], environment: session.environment)
        #expect(outcome.status == 0 && outcome.error == "" && outcome.output == "", "\(outcome)")
        for name in ["images/a", "piped", "redirected", "device", "from-fifo"] {
            #expect(try bytes(name) == content, "\(name)")
        }
    }

    @Test func progressAsJSON() throws {
        try start()
        try session.succeed("vol-create-as images a 40M")
        try write(Self.pattern(5_000_000), to: "source")
        func check(_ text: String, ends count: Int, _ command: String) throws {
            let lines = text.split(separator: "\n").map { Data($0.utf8) }
            #expect(lines.count >= 2, "\(command)")
            let progress = try lines.dropLast().map { try JSONDecoder().decode(TransferProgress.self, from: $0) }
            #expect(progress.last?.done.bytes == UInt64(count), "\(command)")
            #expect(progress.last?.total?.bytes == UInt64(count), "\(command)")
            #expect(zip(progress, progress.dropFirst()).allSatisfy { $0.done <= $1.done }, "\(command)")
            let volume = try JSONDecoder().decode(Volume.self, from: try #require(lines.last))
            #expect(volume.name == "a", "\(command)")
        }
        for (command, count) in [
            ("vol-upload a @/source --pool images --json", 5_000_000),
            ("vol-download a @/target --pool images --json", 40 << 20),
            ("vol-wipe a --pool images --algorithm nnsa --json", 160 << 20),
        ] {
            try check(try session.succeed(command), ends: count, command)
        }
        // The data has the standard output to itself.
        let outcome = try session.storlib("vol-download a - --pool images --length 1M --json")
        #expect(outcome.status == 0)
        #expect(outcome.output.utf8.count == 1 << 20)
        try check(outcome.error, ends: 1 << 20, "to the standard output")
    }

    @Test(.enabled("script is not installed") { findProgram("script") != nil })
    func aBarOnATerminal() throws {
        try start()
        try session.succeed("vol-create-as images a 1M")
        // A source that is slow, so that there is something to show.
        let command =
            "for i in 1 2 3 4 5 6; do echo x; sleep 0.2; done | \(storlibProgram) vol-upload a - --pool images"
        let script = try #require(findProgram("script"))
        let outcome = try run(script, ["-qec", command, "/dev/null"], environment: session.environment)
        #expect(outcome.status == 0)
        #expect(outcome.output.contains("a  "), "\(outcome.output)")
        #expect(outcome.output.contains(" B/s  0:0"), "\(outcome.output)")
        #expect(outcome.output.hasSuffix("\r\u{1B}[K"), "the line is cleared at the end")
    }

    @Test func aDryRunChangesNothing() throws {
        try start()
        try session.succeed("vol-create-as images a 1M")
        try write(Self.pattern(1 << 20), to: "source")
        try session.succeed("vol-upload a @/source --pool images")
        #expect(
            try session.succeed("vol-upload a @/source --pool images --offset 4K --length 1K --sparse --dry-run")
                == "write file \(session.path)/images/a: at most 1024 bytes from byte 4096 on, with holes\n"
        )
        #expect(
            try session.succeed("vol-wipe a --pool images --algorithm nnsa --dry-run")
                == "overwrite file \(session.path)/images/a: 1.00 MiB, 4 passes: random, random, 0x00, verified\n"
        )
        let plan = try session.succeed("vol-wipe a --pool images --algorithm trim --dry-run --json")
        #expect(try JSONDecoder().decode(Plan.self, from: Data(plan.utf8)).outline.steps.count == 1)
        #expect(try bytes("images/a") == Self.pattern(1 << 20))
    }

    @Test func mistakes() throws {
        try start()
        try session.succeed("vol-create-as images a 1M")
        try write([1, 2, 3], to: "source")
        for (line, status, text) in [
            ("vol-upload a", 64, "missing argument FILE"), ("vol-download a", 64, "missing argument FILE"),
            ("vol-wipe a --pool images --algorithm rot13", 64, "there is no wipe algorithm 'rot13': zero, nnsa"),
            ("vol-upload a @/absent --pool images", 1, "no such file or directory"),
            ("vol-upload b @/source --pool images", 1, "pool 'images' has no volume 'b'"),
            ("vol-upload a @/source --pool images --offset 1025K", 1, "byte 1049600 on is behind its end"),
            ("vol-upload a @/source --pool images --offset -1", 1, "a size cannot be negative"),
            (
                "vol-download a @/target --pool images --offset 2M", 1,
                "has 1048576 bytes, and none from byte 2097152 on"
            ),
            ("vol-download a @/absent/target --pool images", 1, "no such file or directory"),
        ] {
            let outcome = try session.storlib(line)
            #expect(outcome.status == Int32(status), "\(line): \(outcome)")
            #expect(outcome.error.hasPrefix("error: ") && outcome.error.contains(text), "\(line): \(outcome.error)")
            #expect(outcome.error.split(separator: "\n").count == 1, "\(line)")
        }
        #expect(try !problem())
    }

    // MARK: What interrupts

    /// Begins an upload that waits for more to come.
    private func beginUpload(_ arguments: [String] = []) throws -> (Process, FileHandle, FileHandle) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: storlibProgram)
        process.arguments = ["vol-upload", "a", "-", "--pool", "images"] + arguments
        process.environment = ProcessInfo.processInfo.environment.merging(session.environment) { _, new in new }
        let (input, errors) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardError = errors
        try process.run()
        try input.fileHandleForWriting.write(contentsOf: Data(Self.pattern(1 << 20)))
        // Until it is written, the volume says nothing.
        for _ in 0..<500 where try !problem() { Thread.sleep(forTimeInterval: 0.01) }
        return (process, input.fileHandleForWriting, errors.fileHandleForReading)
    }

    @Test(arguments: [SIGINT, SIGTERM, SIGHUP]) func aSignalStopsAnUpload(signal: Int32) throws {
        try start()
        try session.succeed("vol-create-as images a 8M")
        let (process, input, errors) = try beginUpload()
        kill(process.processIdentifier, signal)
        process.waitUntilExit()
        try input.close()
        #expect(process.terminationReason == .uncaughtSignal && process.terminationStatus == signal)
        let text = String(decoding: try errors.readToEnd() ?? Data(), as: UTF8.self)
        #expect(
            text.hasPrefix("error: the upload to volume 'a' of pool 'images' was cancelled; the volume is partly old")
        )
        #expect(try problem())
        // The download of what is broken is allowed, and says so.
        let outcome = try session.storlib("vol-download a @/target --pool images")
        #expect(outcome.status == 0 && outcome.error.hasPrefix("warning: volume 'a': an upload was broken off"))
        try write(Self.pattern(2 << 20), to: "source")
        try session.succeed("vol-upload a @/source --pool images")
        #expect(try !problem())
    }

    @Test func aKilledUploadLeavesAVolumeThatSaysSo() throws {
        try start()
        try session.succeed("vol-create-as images a 8M")
        let (process, input, _) = try beginUpload()
        let busy = try session.storlib("vol-delete a --pool images")
        #expect(
            busy.error
                == "error: volume 'a' of pool 'images' is in use by storlib (process \(process.processIdentifier)); "
                + "wait for it to end\n"
        )
        // Others are not held up.
        try session.succeed("vol-create-as images b 1M")
        #expect(try session.succeed("vol-list images").contains(" a "))
        let stop = try session.storlib("pool-destroy images --lock-timeout 0.1")
        #expect(stop.error.contains("is locked by storlib (process \(process.processIdentifier))"))
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        try input.close()
        #expect(try problem())
        let json = try session.succeed("vol-list images --json")
        let volumes = try JSONDecoder().decode([Volume].self, from: Data(json.utf8))
        #expect(volumes.map { $0.problem != nil } == [true, false])
        // The pool starts with it, and it can be mended, or deleted.
        try session.succeed("pool-destroy images")
        try session.succeed("pool-start images")
        #expect(try problem())
        try session.succeed("vol-delete a --pool images")
    }

    /// Each system call of the work fails in turn, or is the last one before the program is killed: the volume is as it was, or
    /// as it was to be, or says that it is broken.
    @Test(
        .enabled("strace is not installed") { findProgram("strace") != nil },
        arguments: [
            "vol-upload a @/source --pool images --sparse", "vol-upload a - --pool images", "vol-wipe a --pool images",
        ],
        ["error=EIO", "error=ENOSPC", "signal=KILL"]
    )
    func anySystemCall(line: String, injection: String) throws {
        let strace = try #require(findProgram("strace"))
        var interruptions = 0
        let changing = [
            "pwrite64", "copy_file_range", "fallocate", "ftruncate", "fsync", "fdatasync", "fsetxattr", "fremovexattr",
        ]
        let others = ["openat2", "fgetxattr", "lseek", "poll", "flock", "ioctl", "pread64", "write"]
        let calls = changing + (injection == "error=EIO" ? others : [])
        try start()
        try session.succeed("vol-create-as images a 600000")
        let folders = StateFolders(configuration: session.path + "/config", run: session.path + "/run")
        let pool = try StorageManager(folders: folders).pool(named: "images")
        let before = Self.pattern(600_000)
        let source = [UInt8](repeating: 0, count: 300_000) + Self.pattern(300_000)
        let text = String(repeating: "storlib ", count: 75_000)
        let after =
            line.contains("wipe")
            ? [UInt8](repeating: 0, count: 600_000) : line.contains("source") ? source : Array(text.utf8)
        try write(source, to: "source")
        let log = session.path + "/log"
        for systemCall in calls {
            for number in 1...40 {
                try write(before, to: "images/a")
                let inject = "inject=\(systemCall):\(injection):when=\(number)"
                let outcome = try run(
                    strace,
                    ["-f", "-o", log, "-e", "trace=\(systemCall)", "-e", inject, storlibProgram] + session.words(line),
                    environment: session.environment,
                    input: text
                )
                let trace = try String(contentsOfFile: log, encoding: .utf8)
                guard trace.contains("(INJECTED)") || trace.contains("killed by SIGKILL") else { break }
                // The loader reads the program with the same call.
                if outcome.status == 127 { continue }
                interruptions += 1
                let context = "\(line) with \(inject): \(outcome.error)"
                let now = try bytes("images/a")
                let isBroken = try pool.volume(named: "a").problem != nil
                #expect(isBroken || now == before || now == after, "\(context)")
                if injection.hasPrefix("error") {
                    #expect(outcome.status == 0 || outcome.status == 1, "\(context)")
                    #expect(outcome.status == 0 || outcome.error.split(separator: "\n").count == 1, "\(context)")
                    #expect(outcome.status == 1 || now == after && !isBroken, "\(context)")
                }
                let again = try session.storlib(line, input: text)
                #expect(again.status == 0, "\(context): \(again.error)")
                #expect(try pool.volume(named: "a").problem == nil, "\(context)")
            }
        }
        #expect(interruptions >= 6, "\(line) was interrupted \(interruptions) times only")
    }

    // MARK: File systems

    /// A file system without attributes, played by strace: the record is a file.
    @Test(.enabled("strace is not installed") { findProgram("strace") != nil })
    func withoutAttributesTheRecordIsAFile() throws {
        try start()
        try session.succeed("vol-create-as images a 100")
        func without(_ line: String, input: String = "") throws -> Outcome {
            let injections = ["fgetxattr", "fsetxattr", "fremovexattr"]
                .flatMap { ["-e", "inject=\($0):error=EOPNOTSUPP"] }
            return try run(
                try #require(findProgram("strace")),
                ["-f", "-o", "/dev/null"] + injections + [storlibProgram] + session.words(line),
                environment: session.environment,
                input: input
            )
        }
        func names() throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: session.path + "/images").sorted()
        }
        #expect(try without("vol-upload a - --pool images", input: String(repeating: "x", count: 101)).status == 1)
        #expect(try names() == ["a"], "a source that is known to be too long changes nothing")
        let shell = try #require(findProgram("sh"))
        let injections = "-e inject=fgetxattr,fsetxattr,fremovexattr:error=EOPNOTSUPP"
        let script =
            "printf %0101d 1 | strace -f -o /dev/null \(injections) \(storlibProgram) vol-upload a - --pool images"
        #expect(try run(shell, ["-c", script], environment: session.environment).status == 1)
        #expect(try names() == [".storlib-record-a", "a"])
        #expect(try without("vol-list images").output.split(separator: "\n").count == 3)
        #expect(try without("vol-info a --pool images").output.contains("Problem: "))
        #expect(try without("vol-upload a - --pool images", input: String(repeating: "y", count: 100)).status == 0)
        #expect(try names() == ["a"])
        #expect(try !without("vol-info a --pool images").output.contains("Problem: "))
    }

    /// What reaches the disk, in its order: the first bytes of each write, and the flush after each pass.
    @Test(
        .enabled("strace is not installed") { findProgram("strace") != nil },
        arguments: WipeAlgorithm.allCases.filter { $0 != .trim }
    )
    func thePassesAreWritten(algorithm: WipeAlgorithm) throws {
        try start()
        try session.succeed("vol-create-as images a 4096")
        let log = session.path + "/log"
        let calls = "trace=pwrite64,pread64,fdatasync,fadvise64"
        let outcome = try run(
            try #require(findProgram("strace")),
            ["-f", "-xx", "-s", "32", "-o", log, "-e", calls, storlibProgram]
                + session.words("vol-wipe a --pool images --algorithm \(algorithm.rawValue)"),
            environment: session.environment
        )
        #expect(outcome.status == 0, "\(outcome.error)")
        var steps: [String] = []
        for line in try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n") {
            if let write = line.firstMatch(of: #/pwrite64\(\d+, "([^"]*)"\.*, 4096, 0\) = 4096/#) {
                steps.append(write.1.replacingOccurrences(of: "\\x", with: ""))
            } else if line.contains("pread64("), line.contains(", 4096, 0) = 4096") {
                steps.append("read")
            } else if line.contains("fadvise64(") {
                steps.append("drop")
            } else if line.contains("fdatasync(") {
                steps.append("flush")
            }
        }
        var seen: Set<String> = []
        for pass in algorithm.passes {
            switch pass {
            case .pattern(let bytes):
                let expected = (0..<32).map { String(format: "%02x", bytes[$0 % bytes.count]) }.joined()
                #expect(steps.first == expected)
            case .random:
                let first = try #require(steps.first)
                #expect(first.count == 64 && Set(first).count > 4, "\(first)")
                #expect(seen.insert(first).inserted, "each random pass has bytes of its own")
            case .verification:
                #expect(steps.first == "drop")
                steps.removeFirst()
                #expect(steps.first == "read")
            }
            #expect(steps.dropFirst().first == "flush")
            steps = Array(steps.dropFirst(2))
        }
        #expect(steps.isEmpty, "\(steps)")
    }

    @Test(.enabled("strace is not installed") { findProgram("strace") != nil })
    func aDiskThatForgetsIsFound() throws {
        try start()
        try session.succeed("vol-create-as images a 8192")
        // The write is claimed and not done.
        let outcome = try run(
            try #require(findProgram("strace")),
            ["-f", "-o", "/dev/null", "-e", "inject=pwrite64:retval=8192:when=3", storlibProgram]
                + session.words("vol-wipe a --pool images --algorithm nnsa"),
            environment: session.environment
        )
        #expect(outcome.status == 1)
        #expect(outcome.error.contains("the disk does not hold what the wipe of '"), "\(outcome.error)")
        #expect(try problem())
    }

    @Test(.enabled("mounting needs root") { isRoot }, arguments: ["xfs", "btrfs"])
    func sharedBlocksAreNotWiped(type: String) throws {
        let filesystem = try LoopFilesystem(type, mebibytes: type == "xfs" ? 320 : 128)
        let session = Session(in: filesystem.path)
        // btrfs copies on write by default; a pool there has it turned off.
        try session.succeed("pool-define-as images dir --target @/images")
        try session.succeed("pool-start images --build")
        try session.succeed("vol-create-as images a 1M")
        // From another file system: an upload from the same one shares blocks itself.
        try write(Self.pattern(1 << 20), to: "source")
        try session.succeed("vol-upload a \(self.session.path)/source --pool images")
        #expect(try session.storlib("vol-wipe a --pool images --dry-run").status == 0)
        // A copy with shared blocks.
        let clone: [String]
        if type == "btrfs" {
            _ = try LoopFilesystem.tool(
                "btrfs",
                ["subvolume", "snapshot", filesystem.path, filesystem.path + "/snapshot"]
            )
            clone = []
        } else {
            clone = ["--reflink=always", session.path + "/images/a", session.path + "/images/b"]
            _ = try LoopFilesystem.tool("cp", clone)
        }
        let refused = try session.storlib("vol-wipe a --pool images")
        #expect(refused.status == 1)
        #expect(
            refused.error.hasPrefix(
                "error: volume 'a' of pool 'images' cannot be wiped: other files share its blocks, and its old content would "
                    + "stay on the disk; force the wipe"
            ),
            "\(refused.error)"
        )
        let content = try Data(contentsOf: URL(fileURLWithPath: session.path + "/images/a"))
        #expect([UInt8](content) == Self.pattern(1 << 20))
        try session.succeed("vol-wipe a --pool images --force")
        #expect(try Data(contentsOf: URL(fileURLWithPath: session.path + "/images/a")).allSatisfy { $0 == 0 })
        if type == "btrfs" {
            // With copy-on-write a wipe is in vain from the start.
            let xml = """
                <pool type='dir'><name>cow</name><features><cow state='yes'/></features>
                <target><path>\(session.path)/cow</path></target></pool>
                """
            #expect(try session.storlib("pool-define -", input: xml).status == 0)
            try session.succeed("pool-start cow --build")
            try session.succeed("vol-create-as cow a 1M")
            let outcome = try session.storlib("vol-wipe a --pool cow")
            #expect(
                outcome.error.contains("cannot be wiped: btrfs copies the file's blocks on write"),
                "\(outcome.error)"
            )
        }
    }

    @Test(.enabled("mounting needs root") { isRoot })
    func aFullDisk() throws {
        let filesystem = try LoopFilesystem("ext4", mebibytes: 16)
        let session = Session(in: filesystem.path)
        try session.succeed("pool-define-as images dir --target @/images")
        try session.succeed("pool-start images --build")
        try session.succeed("vol-create-as images a 64M --allocation 0")
        let outside = Session()
        try Data(Self.pattern(32 << 20)).write(to: URL(fileURLWithPath: outside.path + "/source"))
        let outcome = try session.storlib("vol-upload a \(outside.path)/source --pool images")
        #expect(outcome.status == 1)
        #expect(outcome.error.contains("was broken off: cannot "), "\(outcome.error)")
        #expect(outcome.error.contains("no space left on device; the volume is partly old"), "\(outcome.error)")
        #expect(try session.succeed("vol-info a --pool images").contains("Problem: "))
        let target = try session.storlib("vol-download a @/target --pool images")
        #expect(target.status == 1 && target.error.contains("no space left on device"), "\(target.error)")
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: session.path).sorted() == ["config", "images", "run"]
        )
        try session.succeed("vol-wipe a --pool images --algorithm trim")
        #expect(try !session.succeed("vol-info a --pool images").contains("Problem: "))
        try filesystem.remount("ro")
        for line in ["vol-upload a \(outside.path)/source --pool images", "vol-wipe a --pool images"] {
            let outcome = try run(storlibProgram, session.words(line), environment: session.environment)
            #expect(outcome.status == 1 && outcome.error.contains("read-only file system"), "\(outcome.error)")
        }
        try filesystem.remount("rw")
    }

    // MARK: Memory

    @Test func memoryIsConstant() throws {
        try start()
        let file = try OpenFile(session.path + "/source", [.readWrite, .create], mode: 0o600)
        try file.setSize(.gibibytes(1))
        try file.write(Self.pattern(1 << 20), at: .mebibytes(700))
        try session.succeed("vol-create-as images a 1G --allocation 0")
        for line in [
            "vol-upload a @/source --pool images --sparse", "vol-download a @/target --pool images --sparse",
            "vol-download a /dev/null --pool images", "vol-wipe a --pool images --algorithm dod",
        ] {
            let log = session.path + "/peak"
            let outcome = try run(
                "/usr/bin/time",
                ["-f", "%M", "-o", log, storlibProgram] + session.words(line),
                environment: session.environment
            )
            #expect(outcome.status == 0, "\(outcome.error)")
            let peak = try String(contentsOfFile: log, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
            let kibibytes = try #require(Int(peak))
            print("\(line): \(kibibytes) KiB at most")
            #expect(kibibytes < 32 << 10, "\(line)")
        }
        #expect(try OpenFile(session.path + "/target", .readOnly).status().allocated < .mebibytes(2))
    }
}
