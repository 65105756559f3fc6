import Foundation
import StorageKit
import Testing

/// Everything that a command is given and cannot use: one line, exit status 1, nothing changed.
struct BadInputTests {
    private let session = Session()

    init() throws {
        try session.succeed("pool-define-as images dir --target @/images")
        try session.succeed("pool-start images --build")
        try session.succeed("vol-create-as images exists 1M")
        try session.succeed("pool-define-as stopped dir --target @/stopped")
        try session.write("file", to: "file")
    }

    private func expectFailure(_ words: [String], input: String = "", _ text: String) throws {
        let before = try session.snapshot()
        let outcome = try session.storlib(words: words, input: input)
        #expect(outcome.status == 1, "\(words)")
        #expect(outcome.output == "", "\(words)")
        #expect(outcome.error.hasPrefix("error: "), "\(outcome.error)")
        #expect(outcome.error.split(separator: "\n", omittingEmptySubsequences: false).count == 2, "\(outcome.error)")
        #expect(outcome.error.contains(text), "\(outcome.error) lacks: \(text)")
        #expect(try session.snapshot() == before, "\(words)")
    }

    private static func pool(_ name: String = "new", _ more: String = "", path: String = "/srv/new") -> String {
        "<pool type='dir'>\n<name>\(name)</name>\n\(more)<target><path>\(path)</path></target></pool>"
    }

    private static func volume(_ name: String, _ size: String) -> String {
        "<volume><name>\(name)</name>\(size)</volume>"
    }

    @Test(arguments: [
        ("<pool type='dir'><name>x</nam></pool>", "(standard input):1:"),
        ("", "(standard input):1:1:"),
        ("<domain type='kvm'/>", "begins with <pool>, found <domain>"),
        ("<pool type='tape'><name>a</name></pool>", "pool type 'tape' is not known"),
        ("<pool type='dir'><target><path>/a</path></target></pool>", "<pool> needs a <name>"),
        (pool("a/b"), "(standard input):2:1: pool name 'a/b' cannot be used"),
        (pool("new", "<uuid>images</uuid>"), "<uuid> wants a UUID"),
        (pool("new", path: "srv/new"), "target path 'srv/new' of pool 'new' is not absolute"),
        (pool("new", "<capacity>-1</capacity>"), "<capacity> wants a whole number of bytes, found '-1'"),
        (
            "<!DOCTYPE pool [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><pool type='dir'><name>&x;</name></pool>",
            "a DOCTYPE is not allowed"
        ),
        (
            "<pool type='dir'><name>a</name><target><path>/a</path><permissions><mode>0999</mode></permissions></target></pool>",
            "found '0999'"
        ),
    ])
    func poolDocuments(xml: String, text: String) throws {
        try expectFailure(["pool-define", "-"], input: xml, text)
        try expectFailure(["pool-create", "-"], input: xml, text)
        try expectFailure(["validate", "-"], input: xml, xml.contains("domain") ? "found <domain>" : text)
    }

    @Test func duplicates() throws {
        let uuid = try session.succeed("pool-uuid images").trimmingCharacters(in: .newlines)
        try expectFailure(
            ["pool-define", "-"],
            input: Self.pool("new", "<uuid>\(uuid)</uuid>"),
            "is that of pool 'images'"
        )
        try expectFailure(
            ["pool-define", "-"],
            input: Self.pool("new", path: session.path + "/images"),
            "pool 'images' has the directory"
        )
        try expectFailure(
            ["pool-create", "-"],
            input: Self.pool("new", path: session.path + "//stopped/"),
            "pool 'stopped' has the directory"
        )
        try expectFailure(
            ["pool-define", "-"],
            input: Self.pool("images", "<uuid>\(UUID().uuidString)</uuid>"),
            "there is a pool 'images' already, with UUID \(uuid)"
        )
        try expectFailure(
            ["pool-create-as", "images", "dir", "--target", "/x"],
            "there is a pool 'images' already, running"
        )
    }

    @Test(arguments: [
        (volume("v", ""), "<volume> needs a <capacity>"),
        (volume("v", "<capacity>-1</capacity>"), "found '-1'"),
        (volume("v", "<capacity unit='EiB'>16</capacity>"), "more than the largest size of a file"),
        (
            volume("v", "<capacity>10 gigs</capacity>"),
            "(standard input):1:23: <capacity> wants a whole number of bytes"
        ),
        (
            volume("v", "<capacity>1</capacity><target><format type='floppy'/></target>"),
            "volume format 'floppy' is not known"
        ),
        (
            volume("v", "<capacity>1</capacity><target><format type='dmg'/></target>"),
            "images of format 'dmg' can be read, and not made"
        ),
        (volume("../x", "<capacity>1</capacity>"), "volume name '../x' cannot be used: it contains '/'"),
        (volume("..", "<capacity>1</capacity>"), "volume name '..' cannot be used"),
        (volume("a\nb", "<capacity>1</capacity>"), "it contains a control character"),
        (volume("exists", "<capacity>1</capacity>"), "pool 'images' has a volume 'exists' already"),
        (volume("v", "<capacity unit='EiB'>7</capacity>"), "pool 'images' has no space for volume 'v'"),
    ])
    func volumeDocuments(xml: String, text: String) throws {
        try expectFailure(["vol-create", "images", "-"], input: xml, text)
    }

    @Test(arguments: [
        ("vol-create-as images v 16EiB", "'16EiB' is more than the largest size of a file"),
        ("vol-create-as images v -1", "a size cannot be negative, found '-1'"),
        ("vol-create-as images v --capacity -1", "a size cannot be negative, found '-1'"),
        ("vol-create-as images v ten", "'ten' is not a size"),
        ("vol-create-as images v 1M --allocation -5", "a size cannot be negative, found '-5'"),
        ("vol-create-as images ../x 1M", "volume name '../x' cannot be used"),
        ("vol-create-as images exists 1M", "has a volume 'exists' already"),
        ("vol-create-as images v 1M --format floppy", "volume format 'floppy' is not known"),
        ("vol-create-as images v 1M --backing-vol exists", "an image of format 'raw' has no backing file"),
        ("vol-create-as stopped v 1M", "pool 'stopped' is not running; start it first"),
        ("vol-create-as absent v 1M", "there is no pool 'absent'"),
        ("vol-create images @/absent.xml", "absent.xml': no such file or directory"),
        ("vol-list stopped", "pool 'stopped' is not running"),
        ("vol-info absent --pool images", "pool 'images' has no volume 'absent'"),
        ("vol-info absent", "a volume's name needs --pool"),
        ("vol-info /etc/passwd", "no running pool has a volume with path '/etc/passwd'"),
        ("vol-delete ../file --pool images", "pool 'images' has no volume with key"),
        ("vol-delete absent --pool images", "pool 'images' has no volume 'absent'"),
        ("vol-resize exists 1K --pool images", "would cut off its end"),
        ("vol-resize exists 8E --pool images", "more than the largest size of a file"),
        ("vol-resize exists 2M --pool images --delta --shrink", "cannot be taken away"),
        ("vol-resize exists 7E --pool images --allocate", "has no space for volume 'exists'"),
        ("pool-define-as a/b dir --target /x", "pool name 'a/b' cannot be used"),
        ("pool-define-as new tape --target /x", "pool type 'tape' is not known"),
        ("pool-define-as new dir", "<target> needs a <path>"),
        ("pool-define-as new dir --target x", "is not absolute; a target path begins with '/'"),
        ("pool-define-as new fs --target /x", "<source> needs a <device path>"),
        ("pool-create-as new dir --target @/file", "is not a directory"),
        ("pool-create-as new dir --target @/file --build", "is not a directory"),
        ("pool-create-as new dir --target @/missing", "does not exist; build the pool to make it"),
        ("pool-create-as new dir --target /proc/storlib/new --build", "cannot make directory '/proc/storlib'"),
        ("pool-start images", "pool 'images' is running; stop it first"),
        ("pool-start absent", "there is no pool 'absent'"),
        ("pool-build images", "pool 'images' is running; stop it first"),
        ("pool-delete images", "pool 'images' is running; stop it first"),
        ("pool-undefine images", "pool 'images' is running; stop it first"),
        ("pool-destroy stopped", "pool 'stopped' is not running; start it first"),
        ("pool-delete stopped", "does not exist"),
        ("pool-list --type tape", "pool type 'tape' is not known"),
        ("pool-import @/absent", "absent': no such file or directory"),
        ("pool-define @/absent.xml", "absent.xml': no such file or directory"),
        ("pool-define @/images", "is a directory"),
        ("validate @/file", "(standard input)"),
        ("pool-list --config-dir @/file --all", "not a directory"),
        ("pool-define-as new dir --target /x --config-dir /proc/nowhere", "cannot make directory '/proc/nowhere'"),
    ])
    func commands(line: String, text: String) throws {
        try expectFailure(session.words(line), text == "(standard input)" ? "file:1:1:" : text)
    }

    @Test(arguments: [
        "", "frobnicate", "pool-info", "vol-create-as images v", "pool-list --frobnicate", "vol-list images extra",
        "pool-build stopped --overwrite --no-overwrite", "pool-list --lock-timeout -5", "pool-event --timeout 0",
        "pool-event --event nothing", "validate", "pool-define",
    ])
    func commandLinesThatMakeNoSense(line: String) throws {
        let outcome = try session.storlib(line)
        // Without any command it is help that is wanted.
        guard !line.isEmpty else {
            #expect(outcome.output.contains("USAGE: storlib"))
            return
        }
        #expect(outcome.status == 64, "\(line): \(outcome.error)")
        #expect(outcome.error.hasPrefix("error: "))
        #expect(outcome.error.split(separator: "\n").count == 1, "\(outcome.error)")
    }

    @Test func aPoolThatIsLocked() throws {
        let holder = Process()
        holder.executableURL = URL(fileURLWithPath: "/usr/bin/flock")
        holder.arguments = [session.path + "/run/pools/images.lock", "sleep", "30"]
        try holder.run()
        defer {
            holder.terminate()
            holder.waitUntilExit()
        }
        // Until the other program has it.
        for _ in 0..<200 {
            let file = try OpenFile(session.path + "/run/pools/images.lock", .readOnly)
            guard try file.tryLock(exclusive: true) else { break }
            Thread.sleep(forTimeInterval: 0.05)
        }
        let words = ["vol-list", "images", "--lock-timeout", "0.2"]
        let process = "flock (process \(holder.processIdentifier))"
        try expectFailure(words, "pool 'images' is locked by \(process); try again when it is done")
        #expect(try session.succeed("pool-list --name") == "images\n")
    }

    @Test func damagedState() throws {
        try session.write("<poolstate><pool", to: "run/pools/images.xml")
        try expectFailure(["vol-list", "images"], "the state of pool 'images' is damaged: ")
        try expectFailure(["pool-info", "absent"], "there is no pool 'absent'")
        #expect(try session.succeed("pool-list --all").contains(" images    damaged "))
        #expect(try session.succeed("pool-info images").contains("State:          damaged\n"))
        try session.succeed("pool-destroy images")
        try session.succeed("pool-start images")
    }

    /// A slash before a combining mark is one character for Swift, and a slash for the system.
    @Test(arguments: ["../\u{301}x", "a/\u{301}b", "/\u{301}", "x\u{FFFF}"])
    func namesAreBytes(name: String) throws {
        try expectFailure(["vol-create-as", "images", name, "1M"], "volume name")
        try expectFailure(
            ["vol-create", "images", "-"],
            input: Self.volume(name, "<capacity>1</capacity>"),
            "(standard input):1:"
        )
        try expectFailure(["vol-delete", "--vol=\(name)", "--pool", "images"], "has no volume")
        try expectFailure(["pool-define-as", name, "dir", "--target", "/x"], "pool name")
    }

    @Test func whatLiesInTheStateFoldersHarmsItsOwnPoolAlone() throws {
        let pools = session.path + "/config/pools"
        try FileManager.default.createDirectory(atPath: pools + "/directory.xml", withIntermediateDirectories: false)
        try FileManager.default.createSymbolicLink(atPath: pools + "/loop.xml", withDestinationPath: "loop.xml")
        _ = unsafe mkfifo(pools + "/fifo.xml", 0o600)
        try String(repeating: " ", count: 2 << 20)
            .write(toFile: pools + "/large.xml", atomically: false, encoding: .utf8)
        try "x".write(toFile: pools + "/.xml", atomically: false, encoding: .utf8)
        try "x".write(toFile: pools + "/a\tb.xml", atomically: false, encoding: .utf8)
        let list = try session.succeed("pool-list --all")
        for name in ["directory", "loop", "fifo", "large"] {
            #expect(list.contains(" \(name) ") && list.contains("damaged"), "\(list)")
        }
        #expect(list.contains(" images "))
        try session.succeed("pool-define-as new dir --target @/new")
        try session.succeed("autostart")
    }

    @Test func aDamagedDefinitionOfARunningPoolCanWait() throws {
        try session.write("<pool", to: "config/pools/images.xml")
        try session.succeed("vol-create-as images new 1M")
        try session.succeed("vol-list images")
        try session.succeed("pool-dumpxml images")
        #expect(try session.succeed("pool-info images").contains("Problem:"))
        try session.write("<pool", to: "config/pools/stopped.xml")
        try expectFailure(["pool-destroy", "stopped"], "pool 'stopped' is not running")
    }

    @Test(.enabled("changing the user needs root") { isRoot && findProgram("setpriv") != nil })
    func anotherUsersDirectory() throws {
        let setpriv = try #require(findProgram("setpriv"))
        let base = "/tmp/storlib-user-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: base) }
        for (name, mode) in [("", 0o755), ("/state", 0o777), ("/theirs", 0o755)] {
            try FileManager.default.createDirectory(atPath: base + name, withIntermediateDirectories: false)
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: base + name)
        }
        // The test's own folder may not be open to others.
        try FileManager.default.copyItem(atPath: storlibProgram, toPath: base + "/storlib")
        func storlib(_ words: String...) throws -> Outcome {
            try run(
                setpriv,
                ["--reuid=65534", "--regid=65534", "--clear-groups", base + "/storlib"] + words,
                environment: ["XDG_CONFIG_HOME": base + "/state", "XDG_RUNTIME_DIR": base + "/state/run", "HOME": base]
            )
        }
        #expect(try storlib("pool-define-as", "theirs", "dir", "--target", base + "/theirs").status == 0)
        #expect(try storlib("pool-start", "theirs").status == 0)
        let refused = try storlib("vol-create-as", "theirs", "a", "1M")
        #expect(refused.status == 1)
        #expect(refused.error == "error: cannot make a file in '\(base)/theirs': permission denied\n")
        #expect(try storlib("pool-define-as", "mine", "dir", "--target", base + "/state/mine").status == 0)
        #expect(try storlib("pool-start", "mine", "--build").status == 0)
        #expect(try storlib("vol-create-as", "mine", "a", "1M").status == 0)
        #expect(try storlib("vol-list", "mine").output.contains("/state/mine/a"))
        // Nobody else can hold up root's pools, or these.
        let locks = try FileManager.default.attributesOfItem(atPath: base + "/state/run/storlib/pools/mine.lock")
        #expect((locks[.posixPermissions] as? NSNumber)?.intValue == 0o600)
    }

    @Test func argumentsThatAreNotTextAreRefused() throws {
        let outcome = try run(
            "/bin/bash",
            ["-c", "\"$0\" vol-create-as images $'latin\\xe9' 1M", storlibProgram],
            environment: session.environment
        )
        #expect(outcome.status == 64)
        #expect(outcome.error == "error: an argument is not in UTF-8, and would name something else\n")
        #expect(try session.succeed("vol-list images --json").contains("latin") == false)
    }

    @Test func aFullOutputIsAnError() throws {
        let outcome = try run(
            "/bin/sh",
            ["-c", "\"$0\" pool-capabilities > /dev/full", storlibProgram],
            environment: session.environment
        )
        #expect(outcome.status == 1)
        #expect(outcome.error == "error: cannot write the output: no space left on device\n")
    }
}
