import Foundation
import StorageKit
import Testing

/// The commands as a person or a script types them.
struct SessionTests {
    private let session = Session()

    @Test func theMainJob() throws {
        #expect(try session.succeed("pool-define-as images dir - - - - @/images") == "Pool images defined\n")
        #expect(try session.succeed("pool-build images") == "Pool images built\n")
        #expect(try session.succeed("pool-start images") == "Pool images started\n")
        #expect(try session.succeed("pool-autostart images") == "Pool images marked as autostarted\n")
        #expect(
            try session.succeed("pool-list") == """
                 Name     State    Autostart
                ------------------------------
                 images   active   yes


                """
        )
        #expect(try session.succeed("vol-create-as images a.img 10G --allocation 0") == "Vol a.img created\n")
        #expect(
            try session.succeed("vol-list images") == """
                 Name    Path
                \(String(repeating: "-", count: 11 + "\(session.path)/images/a.img".count))
                 a.img   \(session.path)/images/a.img


                """
        )
        #expect(
            try session.succeed("vol-info a.img --pool images") == """
                Name:           a.img
                Type:           file
                Capacity:       10.00 GiB
                Allocation:     0.00 B
                Format:         raw (declared)


                """
        )
        #expect(
            try session.succeed(
                "vol-resize a.img 20G images --pool images".replacingOccurrences(of: " images ", with: " ")
            )
                == "Size of volume 'a.img' successfully changed to 20G\n"
        )
        #expect(try session.succeed("vol-path a.img --pool images") == "\(session.path)/images/a.img\n")
        #expect(try session.succeed("vol-key @/images/a.img") == "\(session.path)/images/a.img\n")
        #expect(try session.succeed("vol-name @/images/a.img") == "a.img\n")
        #expect(try session.succeed("vol-pool @/images/a.img") == "images\n")
        let uuid = try session.succeed("pool-uuid images").trimmingCharacters(in: .newlines)
        #expect(try session.succeed("pool-name \(uuid)") == "images\n")
        #expect(try session.succeed("vol-pool --uuid @/images/a.img") == "\(uuid)\n")
        #expect(try session.succeed("pool-list --name --uuid") == "\(uuid) images\n")
        #expect(try session.succeed("vol-delete a.img --pool images") == "Vol a.img deleted\n")
        #expect(try session.succeed("pool-refresh images") == "Pool images refreshed\n")
        #expect(try session.succeed("pool-stop images") == "Pool images destroyed\n")
        #expect(try session.succeed("pool-delete images") == "Pool images deleted\n")
        #expect(try session.succeed("pool-undefine images") == "Pool images has been undefined\n")
    }

    @Test func virshsOptionsForOperandsAreTaken() throws {
        try session.succeed("pool-define-as --name images --type dir --target @/images")
        try session.succeed("pool-start --pool images --build")
        try session.succeed("vol-create-as --pool images --name a --capacity 1M --allocation 0 --format raw")
        try session.succeed("vol-create-as images b --capacity 1M")
        try session.succeed("vol-resize --vol a --pool images --capacity 3M")
        try session.succeed("vol-resize b 1M --pool images --delta")
        let sizes = try session.succeed("vol-list --pool images --details --bytes")
        #expect(sizes.contains("file   3145728    0"))
        #expect(sizes.contains("file   2097152    1048576"))
        try session.succeed("vol-resize b -1M --pool images --shrink")
        try session.succeed("vol-resize b 512K --pool images --delta --shrink")
        #expect(try session.succeed("vol-info b --pool images --bytes").contains("Capacity:       524288 bytes\n"))
        #expect(
            try session.succeed("vol-info b --pool images --bytes --physical")
                .contains("Physical:       524288 bytes\n")
        )
        try session.succeed("vol-delete --vol b --pool images")
    }

    @Test func virshsWordsInTheirOrderAreTaken() throws {
        try session.succeed("-q -c storage:///system pool-define-as images dir - - - - @/images")
        #expect(try session.succeed("--quiet --connect=x pool-start images --build") == "")
        try session.succeed("vol-create-as images d 2M 0 raw")
        #expect(try session.succeed("vol-info d images --bytes").contains("Allocation:     0 bytes"))
        try session.succeed("vol-resize d 3M images")
        #expect(try session.succeed("vol-delete d images") == "Vol d deleted\n")
        #expect(try session.succeed("pool-list dir --name") == "images\n")
        #expect(try session.succeed("pool-list zfs --all --name") == "")
        // Behind two dashes all words are operands.
        try session.succeed("vol-create-as -- images -v 1M")
        #expect(try session.succeed("vol-path --pool images -- -v") == "\(session.path)/images/-v\n")
        #expect(try session.succeed("vol-delete @/images/-v") == "Vol \(session.path)/images/-v deleted\n")
    }

    @Test func anOpenStandardInputIsReadFromWhereItIs() throws {
        try session.write("12345<volume><name>v</name><capacity>1</capacity></volume>", to: "v.xml")
        // dd takes five bytes and no more.
        let exact = try run(
            "/bin/bash",
            [
                "-c", "{ dd bs=1 count=5 status=none >/dev/null; \"$0\" validate -; } < \"$1\"", storlibProgram,
                session.path + "/v.xml",
            ]
        )
        #expect(exact.status == 0, "\(exact.error)")
        let closed = try run("/bin/sh", ["-c", "\"$0\" validate - <&-", storlibProgram])
        #expect(closed.error == "error: cannot read the standard input: bad file descriptor\n")
    }

    @Test func documentsComeFromFilesAndTheStandardInput() throws {
        let pool = "<pool type='dir'><name>p</name><target><path>\(session.path)/p</path></target></pool>"
        try session.write(pool, to: "p.xml")
        #expect(try session.succeed("pool-define @/p.xml") == "Pool p defined from \(session.path)/p.xml\n")
        try session.succeed("pool-start p --build")
        let volume = "<volume><name>v</name><capacity unit='M'>1</capacity></volume>"
        #expect(try session.storlib("vol-create p -", input: volume).output == "Vol v created from -\n")
        let dumped = try session.succeed("vol-dumpxml v --pool p")
        #expect(dumped.contains("<capacity unit='bytes'>1048576</capacity>"))
        #expect(dumped.contains("<physical unit='bytes'>1048576</physical>"))
        try session.succeed("pool-destroy p")
        try session.succeed("pool-undefine p")
        let created = try session.storlib("pool-create /dev/stdin", input: pool)
        #expect(created.output == "Pool p created from /dev/stdin\n")
        #expect(try session.succeed("pool-list --transient --name") == "p\n")
        #expect(try session.succeed("pool-dumpxml p").contains("<capacity unit='bytes'>0<") == false)
        try session.succeed("pool-destroy p")
        #expect(try session.succeed("pool-list --all --name") == "")
    }

    @Test func dryRunsChangeNothing() throws {
        try session.succeed("pool-define-as images dir --target @/images")
        let before = try session.snapshot()
        #expect(try session.succeed("pool-start images --build --dry-run").hasPrefix("make directory"))
        #expect(try session.succeed("pool-undefine images --dry-run").hasPrefix("remove definition"))
        #expect(try session.succeed("pool-autostart images --dry-run").hasPrefix("make mark"))
        #expect(try session.succeed("pool-autostart images --disable --dry-run") == "nothing to do\n")
        #expect(
            try session.succeed("pool-define-as other dir --target @/other --dry-run").hasPrefix("write definition")
        )
        #expect(
            try session.succeed("pool-create-as other dir --target @/other --build --dry-run")
                .hasPrefix("make directory")
        )
        #expect(
            try session.succeed("pool-define-as other dir --target @/other --print-xml").hasPrefix("<pool type='dir'>")
        )
        #expect(try session.snapshot() == before)
        try session.succeed("pool-start images --build")
        try session.succeed("vol-create-as images a 1M")
        let running = try session.snapshot()
        #expect(
            try session.succeed("vol-create-as images b 1G --allocation 1M --dry-run")
                == "create file \(session.path)/images/b: raw, 1.00 GiB, 1.00 MiB allocated, mode 0600\n"
        )
        #expect(
            try session.succeed("vol-delete a --pool images --dry-run")
                == "remove file \(session.path)/images/a: 1.00 MiB, with its data\n"
        )
        #expect(try session.succeed("vol-resize a 2M --pool images --allocate --dry-run").hasPrefix("grow file"))
        #expect(try session.succeed("pool-destroy images --dry-run").hasPrefix("remove state"))
        #expect(try session.snapshot() == running)
    }

    @Test func jsonIsTheLibrarysTypes() throws {
        func decode<Value: Decodable>(_ line: String, _ type: Value.Type) throws -> Value {
            try JSONDecoder().decode(type, from: Data(session.succeed(line).utf8))
        }
        #expect(try decode("pool-define-as images dir --target @/images --json", PoolInfo.self).state == .inactive)
        #expect(try decode("pool-start images --build --dry-run --json", Plan.self).outline.steps.count == 2)
        #expect(try decode("pool-start images --build --json", PoolInfo.self).state == .running)
        let made = try decode("vol-create-as images a 1M --allocation 0 --json", Volume.self)
        #expect(made.capacity == .mebibytes(1))
        #expect(try decode("vol-resize a 2M --pool images --json", Volume.self).capacity == .mebibytes(2))
        #expect(try decode("vol-list images --json", [Volume].self).map(\.name) == ["a"])
        #expect(try decode("vol-info a --pool images --json", Volume.self).path == made.path)
        #expect(try decode("vol-dumpxml a --pool images --json", Volume.self).definition.uuid == made.definition.uuid)
        #expect(try decode("pool-list --all --json", [PoolInfo].self).map(\.name) == ["images"])
        #expect(try decode("pool-info images --json", PoolInfo.self).usage?.capacity != nil)
        #expect(try decode("pool-dumpxml images --json", PoolDefinition.self).kind == .directory)
        #expect(try decode("pool-capabilities --json", [PoolCapabilities].self).count == PoolKind.allCases.count)
        #expect(try decode("vol-path a --pool images --json", String.self) == made.path)
        #expect(try decode("autostart --json", [PoolStart].self).isEmpty)
        try session.write("<volume><name>v</name><capacity>1</capacity></volume>", to: "v.xml")
        #expect(try decode("validate @/v.xml --json", VolumeDefinition.self).capacity == ByteCount(1))
    }

    @Test func listsAreFiltered() throws {
        try session.succeed("pool-define-as images dir --target @/images")
        try session.succeed("pool-define-as other dir --target @/other")
        try session.succeed("pool-define-as tank zfs")
        try session.succeed("pool-start images --build")
        try session.succeed("pool-autostart other")
        #expect(try session.succeed("pool-list --name") == "images\n")
        #expect(try session.succeed("pool-list --inactive --name") == "other\ntank\n")
        #expect(try session.succeed("pool-list --all --name") == "images\nother\ntank\n")
        #expect(try session.succeed("pool-list --all --name --type zfs,netfs") == "tank\n")
        #expect(try session.succeed("pool-list --all --name --autostart") == "other\n")
        #expect(try session.succeed("pool-list --all --name --no-autostart") == "images\ntank\n")
        #expect(try session.succeed("pool-list --all --name --persistent") == "images\nother\ntank\n")
        #expect(
            try session.succeed("pool-list --details --bytes").contains(" images   running   no          yes          ")
        )
        try session.write("damage", to: "config/pools/other.xml")
        #expect(try session.succeed("pool-list").contains(" other    damaged   yes\n"))
    }

    @Test func autostartReportsWhatFails() throws {
        try session.succeed("pool-define-as good dir --target @/good")
        try session.succeed("pool-define-as bad dir --target @/bad")
        try session.succeed("pool-build good")
        try session.succeed("pool-autostart good")
        try session.succeed("pool-autostart bad")
        let dryRun = try session.storlib("autostart --dry-run")
        #expect(dryRun.status == 1)
        #expect(dryRun.output == "Pool good would be started\n")
        #expect(try session.succeed("pool-list --name") == "")
        let outcome = try session.storlib("autostart")
        #expect(outcome.status == 1)
        #expect(outcome.output == "Pool good started\n")
        #expect(outcome.error.hasPrefix("error: pool 'bad' cannot be started: the directory"))
    }

    @Test func libvirtsDefinitionsAreImported() throws {
        try FileManager.default.createDirectory(atPath: session.path + "/libvirt", withIntermediateDirectories: true)
        try session.write(
            "<pool type='dir'><name>default</name><target><path>\(session.path)/d</path></target></pool>",
            to: "libvirt/default.xml"
        )
        #expect(try session.succeed("pool-import @/libvirt --dry-run") == "Pool default would be imported\n")
        #expect(try session.succeed("pool-list --all --name") == "")
        #expect(try session.succeed("pool-import @/libvirt") == "Pool default imported\n")
        #expect(try session.succeed("pool-list --all --name") == "default\n")
    }

    @Test func eventsOfOtherProgramsArePrinted() throws {
        try session.succeed("pool-define-as images dir --target @/images")
        #expect(try session.succeed("pool-event --list") == "lifecycle\nrefresh\nvolume\n")
        let session = session
        let waiting = Thread {
            Thread.sleep(forTimeInterval: 3)
            _ = try? session.storlib("pool-start images --build")
            _ = try? session.storlib("pool-destroy images")
        }
        waiting.start()
        let outcome = try session.storlib("pool-event --loop --timeout 12 --event lifecycle --pool images")
        #expect(outcome.status == 0)
        #expect(
            outcome.output == """
                event 'lifecycle' for storage pool images: Created
                event 'lifecycle' for storage pool images: Started
                event 'lifecycle' for storage pool images: Stopped
                event loop timed out
                events received: 3

                """
        )
        let none = try session.storlib("pool-event --timeout 0.1")
        #expect(none.status == 1)
        #expect(none.output == "event loop timed out\nevents received: 0\n")
    }

    /// Volumes that are being made, and what is none, are no events.
    @Test func eventsAreThoseOfVolumes() throws {
        try session.succeed("pool-define-as images dir --target @/images")
        try session.succeed("pool-start images --build")
        let session = session
        let waiting = Thread {
            Thread.sleep(forTimeInterval: 3)
            _ = unsafe mkfifo(session.path + "/images/fifo", 0o600)
            _ = try? session.storlib("vol-create-as images a 1M")
        }
        waiting.start()
        let outcome = try session.storlib("pool-event --timeout 30")
        #expect(outcome.output == "event 'volume' for storage pool images: a created\nevents received: 1\n")
    }

    /// The session of make demo under strace: each command is one execve, and starts nothing.
    @Test(.enabled("strace is not installed") { findProgram("strace") != nil })
    func theDemoStartsNothing() throws {
        let strace = try #require(findProgram("strace"))
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../..").path
        let log = session.path + "/strace.log"
        let outcome = try run(strace, ["-f", "-e", "trace=process", "-o", log, root + "/scripts/demo", storlibProgram])
        #expect(outcome.status == 0, "\(outcome.error)")
        let commands = outcome.output.split(separator: "\n").count { $0.hasPrefix("$ storlib ") }
        #expect(commands >= 15)
        var programs: Set<Substring> = []
        for line in try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n") {
            let process = line.prefix { $0.isNumber }
            if line.contains("execve(\"\(storlibProgram)\"") {
                #expect(programs.insert(process).inserted)
            } else if programs.contains(process) {
                let isThread = line.contains("CLONE_THREAD")
                #expect(
                    !line.contains("execve(") && !line.contains("fork(")
                        && (isThread || !line.contains(#/\bclone3?\(/#)),
                    "\(line)"
                )
            }
        }
        #expect(programs.count == commands)
    }

    /// One program, one execve: no child, neither ours nor a library's.
    @Test(.enabled("strace is not installed") { findProgram("strace") != nil })
    func noCommandStartsAnother() throws {
        let strace = try #require(findProgram("strace"))
        for line in [
            "pool-define-as images dir --target @/images", "pool-build images", "pool-start images",
            "pool-list --details",
            "vol-create-as images a 10M", "vol-resize a 20M --pool images --allocate", "vol-list images --details",
            "vol-dumpxml a --pool images", "vol-delete a --pool images", "pool-refresh images", "pool-info images",
            "pool-capabilities", "pool-event --timeout 0.1", "pool-destroy images", "pool-delete images",
            "pool-undefine images", "autostart", "--help",
        ] {
            let log = session.path + "/strace.log"
            let arguments = ["-f", "-e", "trace=process", "-o", log, storlibProgram] + session.words(line)
            let outcome = try run(strace, arguments, environment: session.environment)
            #expect(outcome.status == (line.hasPrefix("pool-event") ? 1 : 0), "\(line): \(outcome.error)")
            let calls = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n")
            #expect(calls.count { $0.contains("execve") } == 1, "\(line)")
            // Threads are made with CLONE_THREAD; a child process is not.
            let children = calls.filter {
                $0.contains("fork(") || $0.contains(#/\bclone3?\(/#) && !$0.contains("CLONE_THREAD")
            }
            #expect(children.isEmpty, "\(line): \(children)")
        }
    }

    @Test func everyCommandHasAnExampleAndAPlaceInTheManualPage() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../..").path
        let manual = try String(contentsOfFile: root + "/packaging/storlib.1", encoding: .utf8)
        let help = try session.succeed("--help")
        let commands = help.split(separator: "\n")
            .compactMap { line -> String? in
                guard line.hasPrefix("  "), let word = line.split(separator: " ").first else { return nil }
                let name = String(word).replacingOccurrences(of: ",", with: "")
                return name.hasPrefix("pool-") || name.hasPrefix("vol-") || ["validate", "autostart"].contains(name)
                    ? name : nil
            }
        #expect(Set(commands).count >= 32)
        for command in Set(commands) {
            let text = try session.succeed("\(command) --help")
            #expect(text.contains("Example: storlib \(command)"), "\(command)")
            #expect(manual.contains(command.replacingOccurrences(of: "-", with: "\\-")), "\(command)")
        }
    }

    @Test(arguments: ["bash", "zsh", "fish"])
    func shellsGetCompletions(shell: String) throws {
        #expect(try session.succeed("--generate-completion-script \(shell)").contains("vol-create-as"))
    }
}
