import Foundation
import StorageKit
import Testing

/// Backing files: which are followed, which are not, and what is said of them.
struct BackingChainTests {
    private let scratch = Scratch()

    private func image(_ name: String, on backing: String, _ format: String? = "qcow2", as own: String = "qcow2") throws
    {
        let format = format.map { ["-F", $0] } ?? []
        try scratch.run(
            "qemu-img",
            ["create", "-q", "-f", own, "-u", "-b", backing] + format + ["images/\(name)", "1M"]
        )
    }

    private func content(_ pool: StoragePool, _ name: String) throws -> [UInt8] {
        try pool.cloneVolume(VolumeReference(pool: pool.name, name: name), as: VolumeDefinition("content", nil))
        defer { try? pool.deleteVolume(named: "content") }
        return try scratch.bytes("images/content")
    }

    /// Why a volume cannot be read; its look-up and its copy must say so alike.
    private func problem(_ pool: StoragePool, _ name: String) throws -> String {
        let problem = try pool.volume(named: name).problem ?? ""
        let error = scratch.refusal(name) { _ = try content(pool, name) }
        #expect(!problem.isEmpty && error != nil, "\(name)")
        #expect(try !scratch.names(in: "images").contains("content"))
        let map = scratch.refusal(name) { _ = try pool.mapVolume(named: name) }
        #expect(map?.message == error?.message)
        return problem
    }

    // MARK: Out of the pool

    @Test func nothingOutsideIsFollowedUntilItIsDeclared() throws {
        let pool = try scratch.runningPool()
        try scratch.makeDisk("outside", size: 1 << 20, seed: 1)
        try FileManager.default.createSymbolicLink(
            atPath: "\(scratch.path)/images/link",
            withDestinationPath: "../outside"
        )
        try FileManager.default.createSymbolicLink(
            atPath: "\(scratch.path)/images/folder",
            withDestinationPath: scratch.path
        )
        let names: [(String, String, Bool)] = [
            ("absolute", "\(scratch.path)/outside", true), ("up", "../outside", true),
            ("around", "../images/../outside", true), ("down-and-up", "\(scratch.path)/images/../outside", true),
            ("link", "link", false), ("folder", "folder/outside", false), ("proc", "/proc/self/environ", true),
            ("json", "json:{\"driver\":\"file\",\"filename\":\"\(scratch.path)/outside\"}", false),
            ("nbd", "nbd://127.0.0.1:1/x", false), ("file", "file:\(scratch.path)/outside", false),
            ("fat", "fat:rw:\(scratch.path)", false), ("ssh", "ssh://host/outside", false),
        ]
        for (name, backing, _) in names { try image("\(name)-image", on: backing, "raw") }
        let listed = try pool.volumes()
        // A link out is no volume.
        #expect(listed.count == names.count)
        for (name, backing, canBeDeclared) in names {
            let volume = try #require(listed.first { $0.name == "\(name)-image" })
            // What is in a directory below is looked at where the volume is.
            #expect((volume.problem != nil) == (name != "folder") && volume.formatOrigin == .probed, "\(name)")
            #expect(volume.capacity == .mebibytes(1) && volume.image?.backing?.name == backing, "\(name)")
            let problem = try problem(pool, volume.name)
            #expect(problem.contains(backing.prefix(20).printable), "\(name): \(problem)")
            guard canBeDeclared, name != "proc" else { continue }
            #expect(problem.contains("is outside the pool, and nobody declared it"), "\(name): \(problem)")
            try pool.declareVolume(named: volume.name, format: .qcow2)
            #expect(try pool.volume(named: volume.name).problem == nil, "\(name)")
            #expect(try content(pool, volume.name) == scratch.bytes("outside"), "\(name)")
            // It is declared with this backing file, and with no other one.
            try image(volume.name, on: "/etc/passwd", "raw")
            try pool.stop()
            try pool.start()
            #expect(try pool.volume(named: volume.name).problem != nil, "\(name)")
        }
        // Where what is declared is no path, there is nothing to follow.
        for name in ["json-image", "nbd-image", "link-image"] {
            try pool.declareVolume(named: name, format: .qcow2)
            #expect(try self.problem(pool, name) != "", "\(name)")
        }
    }

    @Test func whatIsMadeHereOnAFileOutsideIsFollowed() throws {
        let pool = try scratch.runningPool()
        try scratch.makeDisk("outside", size: 1 << 20, seed: 2)
        try scratch.qemuImage("create -f qcow2 -b outside -F raw outside.qcow2")
        try scratch.qemuImage("create -f qcow2 -u -b guessed -o backing_fmt=raw outside-2.qcow2 1M")
        for (name, path) in [("a", "\(scratch.path)/outside.qcow2"), ("b", "../outside.qcow2")] {
            var definition = VolumeDefinition(name, nil, .qcow2)
            definition.backingFile = BackingFile(path: path, format: .qcow2)
            let made = try pool.createVolume(definition)
            #expect(made.problem == nil && made.capacity == .mebibytes(1))
            #expect(try content(pool, name) == scratch.bytes("outside"))
            #expect(try pool.volumes().allSatisfy { $0.problem == nil })
        }
        // A chain that cannot be read is refused before anything is made.
        for (path, text) in [
            ("absent", "the backing file 'absent'"), ("\(scratch.path)/absent", "absent' "),
            ("nbd://x/y", "is not a file of this host"),
            ("\(scratch.path)/outside-2.qcow2", "guessed"), (".", "is not a file"),
        ] {
            var definition = VolumeDefinition("c", 1 << 20, .qcow2)
            definition.backingFile = BackingFile(path: path)
            let error = scratch.refusal(path) { try pool.createVolume(definition) }
            #expect(error?.description.contains(text) == true, "\(path): \(error?.description ?? "")")
        }
        #expect(try scratch.names(in: "images") == ["a", "b"])
    }

    // MARK: Chains

    @Test(arguments: [
        ("qcow2", "qcow2"), ("qcow2", "qcow"), ("qcow2", "vmdk"), ("qcow", "raw"), ("qed", "vdi"), ("qcow2", "vhdx"),
    ])
    func threeImages(middle: String, base: String) throws {
        let pool = try scratch.runningPool()
        try scratch.makeDisk("disk", size: 1 << 20, seed: 3)
        try scratch.qemuImage("convert -f raw -O \(base) disk images/base")
        for isAbsolute in [false, true] {
            let folder = isAbsolute ? "\(scratch.path)/images/" : ""
            let names = ["middle", "top"].map { "\($0)-\(isAbsolute)" }
            try image(names[0], on: folder + "base", base, as: middle)
            try scratch.run("qemu-io", ["-f", middle, "-c", "write -P 9 64k 100k", "images/\(names[0])"])
            try image(names[1], on: folder + names[0], middle)
            try scratch.run("qemu-io", ["-f", "qcow2", "-c", "write -P 8 128k 70k", "images/\(names[1])"])
            try scratch.qemuImage("convert -f qcow2 -O raw images/\(names[1]) expected")
            #expect(try content(pool, names[1]) == scratch.bytes("expected"))
            let volume = try pool.volume(named: names[1])
            #expect(volume.problem == nil)
            #expect(volume.definition.backingFile?.path == "\(scratch.path)/images/\(names[0])")
        }
        #expect(try pool.volumes().allSatisfy { $0.problem == nil })
    }

    @Test func aDirectoryBelow() throws {
        let pool = try scratch.runningPool()
        try FileManager.default.createDirectory(
            atPath: "\(scratch.path)/images/sub/deep",
            withIntermediateDirectories: true
        )
        try scratch.makeDisk("images/sub/base", size: 1 << 20, seed: 4)
        try scratch.makeDisk("images/root", size: 1 << 20, seed: 5)
        try scratch.makeDisk("root", size: 1 << 20, seed: 6)
        // Each name is meant from the image that has it.
        try image("sub/middle", on: "base", "raw")
        try image("sub/up", on: "../root", "raw")
        try image("sub/deep/down", on: "../middle")
        try image("sub/out", on: "../../root", "raw")
        for (name, backing, expected) in [
            ("a", "sub/middle", "sub/base"), ("b", "sub/up", "root"), ("c", "./sub//deep/down", "sub/base"),
            ("d", "\(scratch.path)/images/sub/./middle", "sub/base"),
        ] {
            try image(name, on: backing)
            #expect(try pool.volume(named: name).problem == nil, "\(name)")
            #expect(try content(pool, name) == scratch.bytes("images/\(expected)"), "\(name)")
        }
        try image("e", on: "sub/out")
        let out = try problem(pool, "e")
        #expect(out.contains("/images/sub/../../root' of"), "\(out)")
        try image("f", on: "sub/absent")
        #expect(
            try problem(pool, "f")
                .contains("the backing file 'sub/absent' of '\(scratch.path)/images/f' does not exist")
        )
        // The data of a flat image is beside it.
        try scratch.qemuImage("convert -f raw -O vmdk -o subformat=monolithicFlat images/root images/sub/flat.vmdk")
        try image("g", on: "sub/flat.vmdk", "vmdk")
        #expect(try content(pool, "g") == scratch.bytes("images/root"))
    }

    @Test func whatLeadsBackToItself() throws {
        let pool = try scratch.runningPool()
        try image("one", on: "one")
        try image("dot", on: "./dot")
        try image("absolute", on: "\(scratch.path)/images/absolute")
        for (name, backing) in [("a2", "b2"), ("b2", "a2"), ("a3", "b3"), ("b3", "c3"), ("c3", "a3"), ("into", "a3")] {
            try image(name, on: backing)
        }
        let listed = try pool.volumes()
        #expect(listed.count == 9)
        for volume in listed {
            #expect(
                volume.problem?.hasPrefix("its chain of backing files leads back to '") == true,
                "\(volume.name): \(volume.problem ?? "")"
            )
            #expect(try problem(pool, volume.name).contains("leads back to itself"))
        }
        // By another name of the same file.
        try scratch.run("ln", ["-s", "hard", "\(scratch.path)/images/soft"])
        try image("hard", on: "soft")
        #expect(try problem(pool, "hard").contains("leads back to itself"))
    }

    @Test func namesThatOnlyLookAlike() throws {
        // Two encodings of é are two files.
        let pool = try scratch.runningPool()
        try scratch.makeDisk("images/e\u{301}", size: 1 << 20, seed: 7)
        try image("\u{E9}", on: "e\u{301}", "raw")
        #expect(try pool.volumes().map(\.problem) == [nil, nil])
        try FileManager.default.removeItem(atPath: "\(scratch.path)/images/e\u{301}")
        try #require(scratch.names(in: "images").count == 1)
        #expect(try pool.volumes().first?.problem?.contains("does not exist") == true)
    }

    @Test func whatIsMissingOrNoFile() throws {
        let pool = try scratch.runningPool()
        try image("top", on: "middle")
        try image("middle", on: "gone", "raw")
        let listed = try pool.volumes()
        #expect(listed.map(\.name) == ["middle", "top"])
        for volume in listed {
            #expect(volume.problem == "the backing file 'gone' of 'middle' does not exist", "\(volume.name)")
        }
        for name in ["top", "middle"] {
            #expect(
                try problem(pool, name) == "the backing file 'gone' of '\(scratch.path)/images/middle' does not exist"
            )
        }
        try scratch.run("mkfifo", ["\(scratch.path)/images/fifo"])
        try image("on-fifo", on: "fifo", "raw")
        try image("on-directory", on: ".", "raw")
        for name in ["on-fifo", "on-directory"] {
            #expect(try problem(pool, name).contains("is not a file"), "\(name)")
        }
        // Binary names, and ones that fill a terminal.
        try image("strange", on: "\u{1B}[2Jx\ny", "raw")
        let strange = try problem(pool, "strange")
        #expect(!strange.contains("\u{1B}") && !strange.contains("\n"))
    }

    @Test func aChainOfThreeHundred() throws {
        let pool = try scratch.runningPool()
        try scratch.makeDisk("images/0", size: 1 << 20, seed: 8)
        for number in 1...300 { try headerOnly("\(number)", on: "\(number - 1)", number == 1 ? "raw" : "qcow2") }
        let clock = ContinuousClock()
        var listed: [Volume] = []
        let time = try clock.measure { listed = try pool.volumes() }
        #expect(time < .seconds(3), "\(time)")
        for volume in listed {
            let number = try #require(Int(volume.name))
            #expect((volume.problem != nil) == (number > 199), "\(number)")
            #expect(volume.problem == nil || volume.problem == "its chain of backing files has more than 200 images")
        }
        #expect(try pool.volume(named: "199").problem == nil)
        #expect(try content(pool, "199") == scratch.bytes("images/0"))
        let single = try clock.measure { _ = try pool.volume(named: "300") }
        #expect(single < .seconds(1), "\(single)")
        #expect(try problem(pool, "300").contains("has more than 200 images"))
    }

    @Test func aThousandVolumesWithCyclesAreListedFast() throws {
        let pool = try scratch.runningPool()
        // Ten rings of a hundred images each.
        for number in 0..<1000 {
            try headerOnly("\(number)", on: "\(number / 100 * 100 + (number + 1) % 100)", "qcow2")
        }
        let clock = ContinuousClock()
        var listed: [Volume] = []
        let time = try clock.measure { listed = try pool.volumes() }
        #expect(time < .seconds(3), "\(time)")
        #expect(listed.count == 1000)
        #expect(listed.allSatisfy { $0.problem?.hasPrefix("its chain of backing files leads back to '") == true })
    }

    /// A qcow2 image by its bytes, as a thousand runs of a program take long.
    private func headerOnly(_ name: String, on backing: String, _ format: String) throws {
        let template = try Self.template.get()
        var bytes = template
        let text = Array(backing.utf8)
        bytes.replaceSubrange(8..<16, with: Self.bigEndian(2048))
        bytes.replaceSubrange(16..<20, with: Self.bigEndian(UInt64(text.count)).suffix(4))
        bytes.replaceSubrange(2048..<2048 + text.count, with: text)
        // The extension with the backing file's format comes before the others.
        var formatBytes = Array(format.utf8)
        let length = formatBytes.count
        formatBytes += [UInt8](repeating: 0, count: (8 - length % 8) % 8)
        let entry =
            Array(Self.bigEndian(0xE279_2ACA).suffix(4)) + Array(Self.bigEndian(UInt64(length)).suffix(4)) + formatBytes
        let start = Int(bytes[103])
        bytes.replaceSubrange(start..<2048, with: (entry + bytes[start..<2048]).prefix(2048 - start))
        try scratch.write(bytes, to: "images/\(name)")
    }

    private static func bigEndian(_ value: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: value >> UInt64(56 - 8 * $0)) }
    }

    /// An empty image of 1 MiB with small clusters.
    private static let template = Result {
        let scratch = Scratch()
        try scratch.qemuImage("create -f qcow2 -o cluster_size=4k template 1M")
        return try scratch.bytes("template")
    }
}

extension Substring {
    fileprivate var printable: String { String(self).printable }
}
