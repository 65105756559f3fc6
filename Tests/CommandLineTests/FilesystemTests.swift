import Foundation
import Testing

/// A file system of its own on a loop device, for one test; it is unmounted afterwards, whatever happens.
final class LoopFilesystem: Sendable {
    let path: String
    private let image: String

    init(_ type: String, mebibytes: Int, options: String = "loop") throws {
        let base = NSTemporaryDirectory() + "/storlib-loop-" + UUID().uuidString.prefix(8)
        path = base + "/mount"
        image = base + "/image"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        _ = try Self.tool("truncate", ["-s", "\(mebibytes)M", image])
        _ = try Self.tool("mkfs.\(type)", type == "ext4" ? ["-q", "-F", "-m", "0", image] : ["-q", image])
        _ = try Self.tool("mount", ["-o", options, image, path])
    }

    func remount(_ options: String) throws {
        _ = try Self.tool("mount", ["-o", "remount,\(options)", path])
    }

    deinit {
        _ = try? Self.tool("umount", ["-l", path])
        try? FileManager.default.removeItem(atPath: (path as NSString).deletingLastPathComponent)
    }

    static func tool(_ name: String, _ arguments: [String]) throws -> String {
        let program = try #require(findProgram(name), "\(name) is not installed")
        let outcome = try run(program, arguments)
        try #require(outcome.status == 0, "\(name) \(arguments): \(outcome.error)")
        return outcome.output
    }
}

/// What only a file system of one's own shows: no space, no writing, and btrfs.
///
/// It needs root, for the mounts.
@Suite(.enabled("mounting needs root") { isRoot })
struct FilesystemTests {
    @Test func noSpaceLeft() throws {
        let filesystem = try LoopFilesystem("ext4", mebibytes: 16)
        let session = Session(in: filesystem.path)
        try session.succeed("pool-define-as images dir --target @/images")
        try session.succeed("pool-start images --build")
        let refused = try session.storlib("vol-create-as images big 1G")
        #expect(refused.status == 1)
        #expect(
            refused.error.hasPrefix("error: pool 'images' has no space for volume 'big': 1.00 GiB to be allocated, ")
        )
        #expect(refused.error.contains("; free some space, or allocate less"))
        // More than fits, and less than is free: the system itself runs out while it allocates.
        try session.succeed("vol-create-as images sparse 1G --allocation 0")
        let grown = try session.storlib("vol-resize sparse 2G --pool images --allocate")
        #expect(grown.status == 1)
        #expect(
            try session.succeed("vol-info sparse --pool images --bytes").contains("Capacity:       1073741824 bytes")
        )
        let filler = filesystem.path + "/filler"
        // To the last block; dd ends with the error that is wanted.
        let dd = try #require(findProgram("dd"))
        for size in ["64K", "1K"] {
            let conversion = size == "64K" ? [] : ["conv=notrunc", "oflag=append"]
            let filled = try run(dd, ["if=/dev/zero", "of=\(filler)", "bs=\(size)", "status=none"] + conversion)
            #expect(filled.status == 1)
        }
        let full = try session.storlib("vol-create-as images small 64K")
        #expect(full.status == 1)
        #expect(full.error.contains("no space"))
        let define = try session.storlib("pool-define-as other dir --target @/other --config-dir @/full")
        #expect(define.status == 1)
        #expect(define.error.split(separator: "\n").count == 1)
        #expect(try FileManager.default.contentsOfDirectory(atPath: session.path + "/images") == ["sparse"])
        try FileManager.default.removeItem(atPath: filler)
        try session.succeed("vol-create-as images small 64K")
    }

    @Test func spaceThatRunsOutWhileItIsWritten() throws {
        let strace = try #require(findProgram("strace"))
        let filesystem = try LoopFilesystem("ext4", mebibytes: 16)
        let session = Session(in: filesystem.path)
        try session.succeed("pool-define-as images dir --target @/images")
        try session.succeed("pool-start images --build")
        let inject = ["-f", "-o", "/dev/null", "-e", "inject=fallocate:error=ENOSPC", storlibProgram]
        let outcome = try run(
            strace,
            inject + session.words("vol-create-as images a 1M"),
            environment: session.environment
        )
        #expect(outcome.status == 1)
        #expect(outcome.error.hasPrefix("error: cannot allocate 1048576 bytes of '"))
        #expect(outcome.error.hasSuffix("/images/a': no space left on device\n"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: session.path + "/images").isEmpty)
    }

    @Test func aReadOnlyFileSystem() throws {
        let filesystem = try LoopFilesystem("ext4", mebibytes: 16)
        let session = Session(in: filesystem.path)
        let state = Session()
        func storlib(_ line: String) throws -> Outcome {
            try run(storlibProgram, session.words(line), environment: state.environment)
        }
        #expect(try storlib("pool-define-as images dir --target @/images").status == 0)
        #expect(try storlib("pool-define-as new dir --target @/new").status == 0)
        #expect(try storlib("pool-start images --build").status == 0)
        #expect(try storlib("vol-create-as images a 1M").status == 0)
        try filesystem.remount("ro")
        for line in [
            "vol-create-as images b 1M", "vol-delete a --pool images", "vol-resize a 2M --pool images",
            "pool-build new",
        ] {
            let outcome = try storlib(line)
            #expect(outcome.status == 1, "\(line)")
            #expect(outcome.error.contains("read-only file system"), "\(line): \(outcome.error)")
            #expect(outcome.error.split(separator: "\n").count == 1)
        }
        // What is there can still be looked at.
        #expect(try storlib("vol-list images").output.contains(" a      "))
        try filesystem.remount("rw")
    }

    @Test func aStateFolderThatIsReadOnly() throws {
        let filesystem = try LoopFilesystem("ext4", mebibytes: 16)
        let session = Session(in: filesystem.path)
        try session.succeed("pool-define-as images dir --target @/images")
        try session.succeed("pool-start images --build")
        try filesystem.remount("ro")
        for line in ["pool-define-as new dir --target /x", "pool-destroy images", "pool-autostart images"] {
            let outcome = try session.storlib(line)
            #expect(outcome.status == 1, "\(line)")
            #expect(outcome.error.contains("read-only file system"), "\(outcome.error)")
        }
        #expect(try session.succeed("pool-list --name") == "images\n")
        #expect(try session.succeed("vol-list images --json") == "[\n\n]\n")
        try filesystem.remount("rw")
    }

    @Test(.enabled("mkfs.btrfs is not installed") { findProgram("mkfs.btrfs") != nil })
    func copyOnWriteOnBtrfs() throws {
        let filesystem = try LoopFilesystem("btrfs", mebibytes: 128)
        let session = Session(in: filesystem.path)
        func isNoCopyOnWrite(_ name: String) throws -> Bool {
            try LoopFilesystem.tool("lsattr", ["-d", "\(session.path)/\(name)"])
                .split(separator: " ").first?
                .contains("C") == true
        }
        for (name, feature) in [("default", ""), ("on", "<cow state='yes'/>"), ("off", "<cow state='no'/>")] {
            let xml = """
                <pool type='dir'><name>\(name)</name><features>\(feature)</features>
                <target><path>\(session.path)/\(name)</path></target></pool>
                """
            #expect(try session.storlib("pool-define -", input: xml).status == 0)
            try session.succeed("pool-start \(name) --build")
            try session.succeed("vol-create-as \(name) a 1M")
            #expect(try isNoCopyOnWrite(name) == (name != "on"))
            #expect(try isNoCopyOnWrite("\(name)/a") == (name != "on"))
        }
        let xml = "<volume><name>b</name><capacity>4096</capacity><target><nocow/></target></volume>"
        #expect(try session.storlib("vol-create on -", input: xml).status == 0)
        #expect(try isNoCopyOnWrite("on/b"))
    }

    @Test func ownersAreSet() throws {
        let session = Session()
        let xml = """
            <pool type='dir'><name>images</name><target><path>\(session.path)/images</path>
            <permissions><mode>0750</mode><owner>1234</owner><group>2345</group></permissions></target></pool>
            """
        #expect(try session.storlib("pool-define -", input: xml).status == 0)
        try session.succeed("pool-start images --build")
        let volume = """
            <volume><name>a</name><capacity>4096</capacity><target><permissions><mode>0644</mode><owner>12</owner>
            <group>34</group></permissions></target></volume>
            """
        #expect(try session.storlib("vol-create images -", input: volume).status == 0)
        func owners(_ name: String) throws -> [Int?] {
            let attributes = try FileManager.default.attributesOfItem(atPath: "\(session.path)/\(name)")
            return [.ownerAccountID, .groupOwnerAccountID, .posixPermissions]
                .map {
                    (attributes[$0] as? NSNumber)?.intValue
                }
        }
        #expect(try owners("images") == [1234, 2345, 0o750])
        #expect(try owners("images/a") == [12, 34, 0o644])
    }
}

/// File systems that lack a call, played by strace.
@Suite(.enabled("strace is not installed") { findProgram("strace") != nil })
struct MissingCallTests {
    private let session = Session()

    private func traced(_ injections: [String], _ line: String) throws -> (Outcome, String) {
        let strace = try #require(findProgram("strace"))
        let log = session.path + "/trace"
        let outcome = try run(
            strace,
            ["-f", "-o", log] + injections + [storlibProgram] + session.words(line),
            environment: session.environment
        )
        return (outcome, try String(contentsOfFile: log, encoding: .utf8))
    }

    @Test func withoutFallocateZerosAreWritten() throws {
        try session.succeed("pool-define-as images dir --target @/images")
        try session.succeed("pool-start images --build")
        let (outcome, trace) = try traced(
            ["-e", "trace=fallocate,pwrite64", "-e", "inject=fallocate:error=EOPNOTSUPP"],
            "vol-create-as images a 3000K"
        )
        #expect(outcome.status == 0, "\(outcome.error)")
        #expect(trace.split(separator: "\n").count { $0.contains("pwrite64") } >= 3)
        #expect(try session.succeed("vol-info a --pool images --bytes").contains("Allocation:     3072000 bytes"))
    }

    @Test func withoutUnnamedFilesTheyHaveATemporaryName() throws {
        try session.succeed("pool-define-as images dir --target @/images")
        try session.succeed("pool-start images --build")
        for (index, rename) in ["", "inject=renameat2:error=EINVAL", "inject=renameat2:error=EEXIST"].enumerated() {
            var met = false
            for number in 1...40 where !met {
                let injections = [
                    "-e", "trace=openat2,renameat2", "-e", "inject=openat2:error=EOPNOTSUPP:when=\(number)",
                ]
                let (outcome, trace) = try traced(
                    injections + (rename.isEmpty ? [] : ["-e", rename]),
                    "vol-create-as images v\(index) 1M"
                )
                met = trace.split(separator: "\n").contains { $0.contains("O_TMPFILE") && $0.contains("(INJECTED)") }
                if met {
                    #expect(outcome.status == (index == 2 ? 1 : 0), "\(outcome.error)")
                    #expect(trace.contains(".storlib-unfinished-"))
                }
            }
            #expect(met, "no file without a name was asked for")
            let expected = ["v0", "v1"].prefix(index + 1)
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: session.path + "/images").sorted()
                    == Array(expected)
            )
        }
    }
}
