import Foundation
import StorageKit
import Testing

/// Images at the command line: making, copying, resizing, checking, and what is never opened.
struct ImageCommandTests {
    private let session = Session()

    private func start() throws {
        try session.succeed("pool-define-as images dir --target @/images")
        try session.succeed("pool-start images --build")
    }

    @discardableResult
    private func tool(_ name: String, _ line: String, expecting status: Int32 = 0) throws -> String {
        let program = try #require(findProgram(name), "\(name) is not installed")
        let outcome = try run(program, session.words(line))
        try #require(outcome.status == status, "\(name) \(line): \(outcome.error)")
        return outcome.output
    }

    private func names() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: session.path + "/images").sorted()
    }

    private func bytes(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(session.path)/\(name)")))
    }

    private func write(_ bytes: [UInt8], to name: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: "\(session.path)/\(name)"))
    }

    private static func pattern(_ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 / 256) }
    }

    /// Runs a command that must fail with one line.
    private func refusal(_ line: String, status: Int32 = 1) throws -> String {
        let outcome = try session.storlib(line)
        #expect(outcome.status == status, "\(line): \(outcome)")
        #expect(
            outcome.error.hasPrefix("error: ") && outcome.error.split(separator: "\n").count == 1,
            "\(line): \(outcome.error)"
        )
        #expect(outcome.output == "", "\(line)")
        return outcome.error
    }

    // MARK: Making

    @Test func everyOptionOfCreation() throws {
        try start()
        try session.succeed("vol-create-as images base.img 2M")
        func information(_ name: String, _ format: String) throws -> [String: Any] {
            let text = try tool("qemu-img", "info -f \(format) --output=json @/images/\(name)")
            return try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        }
        func specific(_ name: String, _ format: String) throws -> [String: Any] {
            let data = try information(name, format)["format-specific"] as? [String: Any]
            return try #require(data?["data"] as? [String: Any])
        }
        for preallocation in ["off", "metadata", "falloc", "full"] {
            #expect(
                try session.succeed(
                    "vol-create-as images p-\(preallocation) 8M --format qcow2 --preallocation \(preallocation)"
                )
                    == "Vol p-\(preallocation) created\n"
            )
            try tool("qemu-img", "check -f qcow2 @/images/p-\(preallocation)")
            let allocation = try information("p-\(preallocation)", "qcow2")["actual-size"] as? Int ?? 0
            #expect((allocation >= 8 << 20) == ["falloc", "full"].contains(preallocation), "\(preallocation)")
        }
        try session.succeed("vol-create-as images meta 8M --format qcow2 --prealloc-metadata")
        #expect(try bytes("images/meta") == bytes("images/p-metadata"))
        try session.succeed("vol-create-as images full 1M --preallocation full")
        #expect(try session.succeed("vol-info full --pool images --bytes").contains("Allocation:     1048576 bytes"))
        try session.succeed(
            "vol-create-as images c 8M --format qcow2 --cluster-size 4K --compat 1.1 --features lazy_refcounts"
        )
        #expect(try information("c", "qcow2")["cluster-size"] as? Int == 4096)
        #expect(try specific("c", "qcow2")["lazy-refcounts"] as? Bool == true)
        try session.succeed("vol-create-as images e 8M --format qcow2 --features extended_l2,lazy_refcounts")
        #expect(try specific("e", "qcow2")["extended-l2"] as? Bool == true)
        try session.succeed("vol-create-as images old 8M --format qcow2 --compat 0.10")
        #expect(try specific("old", "qcow2")["compat"] as? String == "0.10")
        for subformat in ["monolithicSparse", "monolithicFlat", "streamOptimized"] {
            try session.succeed("vol-create-as images \(subformat).vmdk 8M --format vmdk --subformat \(subformat)")
            #expect(try specific("\(subformat).vmdk", "vmdk")["create-type"] as? String == subformat)
        }
        try session.succeed("vol-create-as images fixed 8M --format vpc --subformat fixed")
        try session.succeed("vol-create-as images nocow 1M --nocow")
        for (name, backing) in [("by-name", "base.img"), ("by-path", "@/images/base.img")] {
            try session.succeed(
                "vol-create-as images \(name) 4M --format qcow2 --backing-vol \(backing) --backing-vol-format raw"
            )
            #expect(try information(name, "qcow2")["backing-filename"] as? String == session.words(backing)[0])
            #expect(
                try session.succeed("vol-info \(name) --pool images")
                    .contains("Backing:        \(session.path)/images/base.img (raw)\n")
            )
            try tool("qemu-img", "check -f qcow2 @/images/\(name)")
        }
        let details = try session.succeed("vol-list images --details")
        #expect(details.contains("qcow2 (declared)") && !details.contains("Problem"))
        for (options, text) in [
            ("--format qcow2 --cluster-size 5K", "5120"), ("--format qcow2 --cluster-size 4M", "4194304"),
            ("--format qcow2 --compat 2.0", "2.0"), ("--format qcow2 --compat 0.10 --features lazy_refcounts", "0.10"),
            ("--format qcow2 --features bitmaps", "no feature 'bitmaps'"),
            ("--format qcow2 --preallocation most", "found 'most'"),
            ("--format qcow2 --subformat flat", "no subformat 'flat'"),
            ("--format vmdk --subformat flat", "it has monolithicSparse"),
            ("--format raw --cluster-size 4K", "no cluster size"),
            ("--format vdi --compat 1.1", "no compatibility level"),
            ("--format raw --backing-vol base.img", "no backing file"), ("--format dmg", "can be read, and not made"),
            ("--format luks", "'luks' is not known"), ("--format qcow2 --backing-vol absent", "'absent'"),
            ("--format qcow2 --backing-vol nbd://host/x", "is not a file of this host"),
            (
                "--format qcow2 --backing-vol base.img --backing-vol-format qcow2",
                "base.img' was made as raw, and is taken for qcow2"
            ),
            ("--format vmdk --preallocation metadata", "no preallocation"),
        ] {
            let error = try refusal("vol-create-as images new 4M \(options)")
            #expect(error.contains(text), "\(options): \(error)")
        }
        #expect(try !names().contains("new"))
    }

    // MARK: Copies

    @Test func copies() throws {
        try start()
        try session.succeed("pool-define-as other dir --target @/other")
        try session.succeed("pool-start other --build")
        try session.succeed("vol-create-as images a.img 3000000 --allocation 0")
        let content = [UInt8](repeating: 0, count: 1_000_000) + Self.pattern(2_000_000)
        try write(content, to: "source")
        try session.succeed("vol-upload a.img @/source --pool images --sparse")
        #expect(try session.succeed("vol-clone a.img b.img --pool images") == "Vol b.img cloned from a.img\n")
        #expect(try bytes("images/b.img") == content)
        #expect(
            try session.succeed("-q vol-clone --vol @/images/a.img --newname c.qcow2 --format qcow2 --reflink") == ""
        )
        try session.succeed("vol-clone c.qcow2 z.qcow2 --pool images --compress zstd")
        try session.succeed("vol-clone c.qcow2 m.qcow2 --pool images --prealloc-metadata")
        for name in ["c", "z", "m"] {
            try tool("qemu-img", "compare -f raw -F qcow2 @/images/a.img @/images/\(name).qcow2")
            try tool("qemu-img", "check -f qcow2 @/images/\(name).qcow2")
        }
        #expect(try bytes("images/z.qcow2").count < bytes("images/c.qcow2").count)
        let xml = "<volume><name>v</name><target><format type='vmdk'/></target></volume>"
        #expect(
            try session.storlib("vol-create-from other - c.qcow2 --inputpool images", input: xml).output
                == "Vol v created from input vol c.qcow2\n"
        )
        try tool("qemu-img", "compare -f raw -F vmdk @/images/a.img @/other/v")
        // By its path alone.
        #expect(
            try session
                .storlib(
                    "vol-create-from other - @/images/z.qcow2",
                    input: xml.replacingOccurrences(of: ">v<", with: ">w<")
                )
                .status == 0
        )
        try tool("qemu-img", "compare -f raw -F vmdk @/images/a.img @/other/w")
        let larger =
            "<volume><name>l</name><capacity unit='MiB'>4</capacity><target><format type='raw'/></target></volume>"
        #expect(try session.storlib("vol-create-from other - a.img --inputpool images", input: larger).status == 0)
        #expect(try bytes("other/l") == content + [UInt8](repeating: 0, count: (4 << 20) - 3_000_000))
        let smaller = try session.storlib(
            "vol-create-from other - a.img --inputpool images",
            input: larger.replacingOccurrences(of: "MiB'>4", with: "bytes'>2999999")
                .replacingOccurrences(of: ">l<", with: ">s<")
        )
        #expect(
            smaller.error
                == "error: volume 's' of 2999999 bytes does not hold the 3000000 bytes of 'a.img'; leave the capacity out to have "
                + "the same\n"
        )
        for (line, text) in [
            ("vol-clone a.img b.img --pool images", "pool 'images' has a volume 'b.img' already"),
            ("vol-clone a.img x --pool images --compress lzma", "--compress wants zlib or zstd, found 'lzma'"),
            ("vol-clone a.img x --pool images --compress zlib", "no compressed clusters"),
            (
                "vol-clone a.img x --pool images --format vmdk --compress zlib",
                "subformat 'streamOptimized' is for that"
            ),
            ("vol-clone absent x --pool images", "pool 'images' has no volume 'absent'"),
            ("vol-clone a.img x --pool images --format iso", "made can be raw"),
        ] {
            #expect(try refusal(line).contains(text), "\(line)")
        }
        #expect(try names() == ["a.img", "b.img", "c.qcow2", "m.qcow2", "z.qcow2"])
    }

    @Test func progressAndResultAsJSON() throws {
        try start()
        try session.succeed("vol-create-as images a 8M --format qcow2")
        let lines = try session.succeed("vol-clone a b --pool images --json").split(separator: "\n")
            .map { Data($0.utf8) }
        let progress = try lines.dropLast().map { try JSONDecoder().decode(TransferProgress.self, from: $0) }
        #expect(progress.last?.done == .mebibytes(8) && progress.last?.total == .mebibytes(8))
        let volume = try JSONDecoder().decode(Volume.self, from: try #require(lines.last))
        #expect(volume.name == "b" && volume.definition.format == .qcow2 && volume.formatOrigin == .declared)
        #expect(volume.image?.format == .qcow2)
        let declared = try session.succeed("vol-declare a raw --pool images --json")
        #expect(try JSONDecoder().decode(Volume.self, from: Data(declared.utf8)).definition.format == .raw)
        let resized = try session.succeed("vol-resize b 9M --pool images --json")
        #expect(try JSONDecoder().decode(Volume.self, from: Data(resized.utf8)).capacity == .mebibytes(9))
        let made = try session.succeed("vol-create-as images c 1M --format vdi --json")
        #expect(try JSONDecoder().decode(Volume.self, from: Data(made.utf8)).image?.format == .vdi)
        let map = try session.succeed("vol-map b --pool images --json")
        #expect(try JSONDecoder().decode(ImageMap.self, from: Data(map.utf8)).entries.count == 1)
        let check = try session.succeed("vol-check b --pool images --json")
        #expect(try JSONDecoder().decode(ImageCheck.self, from: Data(check.utf8)).isClean)
        let list = try session.succeed("vol-list images --json")
        #expect(try JSONDecoder().decode([Volume].self, from: Data(list.utf8)).map(\.name) == ["a", "b", "c"])
    }

    @Test func dryRunsChangeNothing() throws {
        try start()
        try session.succeed("vol-create-as images a 4M --allocation 0")
        try session.succeed("vol-create-as images i.qcow2 4M --format qcow2")
        try session.succeed("vol-create-as images f.vmdk 4M --format vmdk --subformat monolithicFlat")
        try tool("qemu-img", "create -q -f qcow2 @/images/q 1M")
        try session.write("<volume><name>n</name></volume>", to: "n.xml")
        let before = try session.snapshot()
        let images = session.path + "/images"
        for (line, expected) in [
            ("vol-create-as images n 1M --format qcow2", "create file \(images)/n: qcow2, 1.00 MiB, sparse, mode 0600"),
            (
                "vol-create-as images n 1M --format qcow2 --backing-vol a --backing-vol-format raw",
                "create file \(images)/n: qcow2, 1.00 MiB, sparse, on a, mode 0600"
            ),
            (
                "vol-create-as images n 1M --format vmdk --subformat monolithicFlat --preallocation full",
                "create file \(images)/n: vmdk monolithicFlat, 1.00 MiB, fully allocated, mode 0600"
            ),
            (
                "vol-clone a n --pool images --format qcow2 --compress zlib",
                "create file \(images)/n: qcow2, 4.00 MiB, holes kept, mode 0600\ncopy volume \(images)/a: 4.00 MiB, compressed by zlib"
            ),
            (
                "vol-create-from images @/n.xml i.qcow2",
                "create file \(images)/n: raw, 4.00 MiB, holes kept, mode 0600\ncopy volume \(images)/i.qcow2: 4.00 MiB"
            ),
            ("vol-resize i.qcow2 8M --pool images", "grow image \(images)/i.qcow2: 4.00 MiB to 8.00 MiB"),
            ("vol-resize i.qcow2 2M --pool images --shrink", "shrink image \(images)/i.qcow2: 4.00 MiB to 2.00 MiB"),
            ("vol-resize i.qcow2 4M --pool images", "nothing to do"),
            ("vol-declare q qcow2 --pool images", "declare format \(images)/q: qcow2"),
            (
                "vol-delete f.vmdk --pool images",
                "remove file \(images)/f.vmdk: 4.00 MiB, with its data\nremove file \(images)/f-flat.vmdk: 4.00 MiB, the data of 'f.vmdk'"
            ),
        ] {
            #expect(try session.succeed("\(line) --dry-run") == expected + "\n", "\(line)")
            let plan = try session.succeed("\(line) --dry-run --json")
            #expect(
                try JSONDecoder().decode(Plan.self, from: Data(plan.utf8)).description + "\n"
                    == (expected == "nothing to do" ? "\n" : expected + "\n")
            )
        }
        #expect(try session.snapshot() == before)
        #expect(try session.succeed("vol-info q --pool images").contains("qcow2 (probed)"))
    }

    // MARK: Check, map, resize

    @Test func checkHasTheStatusOfQEMU() throws {
        try start()
        try write(Self.pattern(2 << 20), to: "disk")
        try tool("qemu-img", "convert -f raw -O qcow2 -o cluster_size=4k @/disk @/images/a")
        #expect(
            try session.succeed("vol-check a --pool images")
                == "Vol a is sound\n512 of 512 clusters are allocated; the image ends at \(ByteCount(UInt64(try bytes("images/a").count)))\n"
        )
        try leak("images/a")
        let before = try bytes("images/a")
        let leaks = try session.storlib("vol-check a --pool images")
        #expect(leaks.status == 3 && leaks.error == "")
        #expect(
            leaks.output.contains("leak at byte ") && leaks.output.contains("has reference count 1, and 0 references\n")
        )
        #expect(leaks.output.contains("Vol a has 0 damaged references and 1 leaked clusters\n"))
        let json = try session.storlib("vol-check a --pool images --json")
        #expect(json.status == 3)
        #expect(try JSONDecoder().decode(ImageCheck.self, from: Data(json.output.utf8)).leakCount == 1)
        #expect(try bytes("images/a") == before)
        try tool("qemu-img", "check -f qcow2 @/images/a", expecting: 3)
        let repaired = try session.succeed("vol-check a --pool images --repair leaks")
        #expect(repaired.hasPrefix("1 leaked clusters freed\nVol a is sound\n"))
        try tool("qemu-img", "check -f qcow2 @/images/a")
        try tool("qemu-img", "compare -f raw -F qcow2 @/disk @/images/a")
        // An entry of the L1 table that points nowhere.
        var damaged = try bytes("images/a")
        let table = damaged[40..<48].reduce(0) { $0 << 8 | Int($1) }
        damaged.replaceSubrange(table..<table + 8, with: [0x80, 0, 0xFF, 0, 0, 0, 0, 0])
        try write(damaged, to: "images/a")
        let corrupt = try session.storlib("vol-check a --pool images")
        #expect(corrupt.status == 2 && corrupt.output.contains("corruption at byte "), "\(corrupt)")
        #expect(
            try refusal("vol-check a --pool images --repair leaks").contains("not only leaks; nothing was repaired")
        )
        #expect(try bytes("images/a") == damaged)
        #expect(
            try refusal("vol-check a --pool images --repair all", status: 64).contains("wants 'leaks', found 'all'")
        )
        #expect(try refusal("vol-check absent --pool images").contains("no volume 'absent'"))
        try session.succeed("vol-create-as images raw 1M")
        #expect(try session.succeed("vol-check raw --pool images").hasPrefix("Vol raw is sound\n"))
    }

    /// Counts a cluster behind the end of an image with clusters of 4 KiB, to which nothing refers.
    private func leak(_ name: String) throws {
        var bytes = try bytes(name)
        func number(_ offset: Int) -> Int { bytes[offset..<offset + 8].reduce(0) { $0 << 8 | Int($1) } }
        let cluster = (bytes.count + 4095) / 4096
        let block = number(number(48))
        bytes[block + cluster * 2 + 1] = 1
        bytes += [UInt8](repeating: 0, count: (cluster + 1) * 4096 - bytes.count)
        try write(bytes, to: name)
    }

    @Test func aMapAsATable() throws {
        try start()
        try session.succeed("vol-create-as images base 2M --allocation 0")
        try write(Self.pattern(65536), to: "part")
        try session.succeed("vol-upload base @/part --pool images --offset 1M")
        try session.succeed("vol-create-as images top 3M --format qcow2 --backing-vol base")
        let table = try session.succeed("vol-map top --pool images --bytes")
        let rows = table.split(separator: "\n").dropFirst(2).map { $0.split(separator: " ").map(String.init) }
        #expect(
            rows == [
                ["0", "1048576", "hole", "-", "-", "-"],
                ["1048576", "65536", "data", "1", "1048576", "\(session.path)/images/base"],
                ["1114112", "2031616", "hole", "-", "-", "-"],
            ],
            "\(table)"
        )
        #expect(try session.succeed("vol-map top --pool images").contains("64.00 KiB"))
        #expect(try refusal("vol-map absent --pool images").contains("no volume 'absent'"))
    }

    @Test func resizes() throws {
        try start()
        for (format, options) in [
            ("raw", "--allocation 0"), ("qcow2", ""), ("vdi", ""), ("vpc", ""), ("vmdk", ""), ("vhdx", ""),
            ("vmdk", "--subformat monolithicFlat"),
        ] {
            try session.succeed("vol-create-as images d.img 4M --format \(format) \(options)")
            #expect(
                try session.succeed("vol-resize d.img 64M --pool images")
                    == "Size of volume 'd.img' successfully changed to 64M\n"
            )
            try session.succeed("vol-resize d.img 1M --delta --pool images")
            let text = try tool("qemu-img", "info -f \(format) --output=json @/images/d.img")
            #expect(text.contains("\"virtual-size\": \(65 << 20)"), "\(format) \(options): \(text)")
            #expect(
                try session.succeed("vol-info d.img --pool images --bytes").contains("Capacity:       68157440 bytes\n")
            )
            #expect(try refusal("vol-resize d.img 1M --pool images").contains("would cut off its end"))
            #expect(try session.storlib("vol-check d.img --pool images").status == 0)
            try session.succeed("vol-delete d.img --pool images")
            #expect(try names() == [], "\(format) \(options)")
        }
        try session.succeed("vol-create-as images d.img 4M --format qcow")
        #expect(
            try refusal("vol-resize d.img 5M --pool images")
                .contains("images of format 'qcow' cannot change their size; copy it")
        )
        try session.succeed("vol-create-as images q 4M --format qcow2")
        #expect(try refusal("vol-resize q 5M --pool images --allocate").contains("cannot be allocated"))
        #expect(try refusal("vol-resize q 9E --pool images").contains("is more than the largest size of a file"))
        #expect(try refusal("vol-resize q 7E --pool images").contains("it has at most 2251799813685248 bytes"))
    }

    // MARK: Who is believed

    /// What is outside is not opened, whatever an image says, until somebody declares it.
    @Test(.enabled("strace is not installed") { findProgram("strace") != nil })
    func nothingOutsideIsOpened() throws {
        try start()
        let strace = try #require(findProgram("strace"))
        try write(Self.pattern(1 << 20), to: "outside")
        try FileManager.default.createSymbolicLink(
            atPath: session.path + "/images/link",
            withDestinationPath: "../outside"
        )
        try session.succeed("vol-create-as images made 1M")
        for (name, backing) in [
            ("absolute", "@/outside"), ("up", "../outside"), ("through", "link"), ("protocol", "file:@/outside"),
            ("json", "json:{\"driver\":\"file\",\"filename\":\"@/outside\"}"), ("nbd", "nbd://127.0.0.1:10809/outside"),
        ] {
            try tool("qemu-img", "create -q -f qcow2 -u -b \(backing) -F raw @/images/\(name) 1M")
        }
        try session.succeed("vol-upload made @/images/absolute --pool images")
        let flat = """
            # Disk DescriptorFile
            version=1
            CID=12345678
            parentCID=ffffffff
            createType="monolithicFlat"
            RW 2048 FLAT "\(session.path)/outside" 0

            """
        try session.write(flat, to: "images/flat")
        let log = session.path + "/log"
        func traced(_ line: String) throws -> (Outcome, String) {
            let outcome = try run(
                strace,
                ["-f", "-o", log, "-e", "trace=file,network,openat2", storlibProgram] + session.words(line),
                environment: session.environment
            )
            return (outcome, try String(contentsOfFile: log, encoding: .utf8))
        }
        for line in [
            "vol-list images --details", "vol-list images --json",
        ]
            + ["absolute", "up", "through", "protocol", "json", "nbd", "flat", "made"]
            .flatMap({ name in
                [
                    "vol-info \(name) --pool images", "vol-dumpxml \(name) --pool images",
                    "vol-map \(name) --pool images",
                    "vol-clone \(name) copy-\(name) --format raw --pool images",
                    "vol-resize \(name) 2M --pool images --dry-run",
                    "vol-check \(name) --pool images",
                ]
            })
        {
            let (outcome, trace) = try traced(line)
            // The name of the link may be seen, which is refused; never the file that it leads to.
            let opened = trace.split(separator: "\n")
                .filter { $0.contains("outside") || $0.contains("connect(") && $0.contains("AF_INET") }
            #expect(opened.isEmpty, "\(line): \(opened)")
            #expect(trace.contains("openat"), "\(line)")
            if line.hasPrefix("vol-clone"), !line.contains("made") {
                #expect(outcome.status == 1 && outcome.error.contains("error: "), "\(line): \(outcome)")
            }
        }
        #expect(try names().contains { $0.hasPrefix("copy-") && $0 != "copy-made" } == false)
        #expect(try bytes("images/copy-made") == bytes("images/made"))
        #expect(
            try session.succeed("vol-info absolute --pool images")
                .contains(
                    "Problem:        its backing file '\(session.path)/outside' is outside the pool, and nobody declared it: it is not looked at\n"
                )
        )
        let list = try session.succeed("vol-list images --details")
        #expect(list.contains("qcow2 (probed)") && list.contains("raw (declared)") && list.contains("Problem"))
        // Somebody declares it.
        #expect(
            try session.succeed("vol-declare absolute qcow2 --pool images --dry-run")
                == "declare format \(session.path)/images/absolute: qcow2, on \(session.path)/outside\n"
        )
        #expect(try session.storlib("vol-clone absolute copy --pool images").status == 1)
        #expect(
            try session.succeed("vol-declare absolute qcow2 --pool images") == "Vol absolute is declared as qcow2\n"
        )
        try session.succeed("vol-clone absolute copy --format raw --pool images")
        #expect(try bytes("images/copy") == bytes("outside"))
        #expect(try refusal("vol-declare up vmdk --pool images").contains("it is no image of format vmdk"))
        #expect(
            try refusal("vol-declare up qcow3 --pool images")
                .contains("'qcow3' is no format of images; formats are raw")
        )
    }

    /// A file system without attributes, played by strace: what is remembered is a file, and is believed as well.
    @Test(.enabled("strace is not installed") { findProgram("strace") != nil })
    func withoutAttributesFormatsAreRememberedToo() throws {
        try start()
        func without(_ line: String) throws -> Outcome {
            let injections = ["fgetxattr", "fsetxattr", "fremovexattr"]
                .flatMap { ["-e", "inject=\($0):error=EOPNOTSUPP"] }
            return try run(
                try #require(findProgram("strace")),
                ["-f", "-o", "/dev/null"] + injections + [storlibProgram] + session.words(line),
                environment: session.environment
            )
        }
        try write(Self.pattern(1 << 20), to: "outside")
        try tool("qemu-img", "create -q -f qcow2 -u -b @/outside -F raw @/header 1M")
        try tool("qemu-img", "create -q -f qcow2 -u -b @/outside -F raw @/images/declared 1M")
        #expect(try without("vol-create-as images a 1M").status == 0)
        #expect(try without("vol-create-as images f.vmdk 1M --format vmdk --subformat monolithicFlat").status == 0)
        #expect(try without("vol-upload a @/header --pool images").status == 0)
        #expect(try without("vol-declare declared qcow2 --pool images").status == 0)
        #expect(
            try names().filter { $0.hasPrefix(".") } == [
                ".storlib-record-a", ".storlib-record-declared", ".storlib-record-f-flat.vmdk",
                ".storlib-record-f.vmdk",
            ]
        )
        let list = try without("vol-list images --details").output
        #expect(list.contains("raw (declared)") && !list.contains("probed") && !list.contains("Problem"), "\(list)")
        #expect(try without("vol-clone a b --pool images").status == 0)
        #expect(try bytes("images/b") == bytes("images/a"))
        #expect(try without("vol-clone declared c --format raw --pool images").status == 0)
        #expect(try bytes("images/c") == bytes("outside"))
        for name in ["a", "b", "c", "declared", "f.vmdk"] {
            #expect(try without("vol-delete \(name) --pool images").status == 0)
        }
        #expect(try names() == [])
        // What could not be made leaves no record.
        #expect(try without("vol-clone absent x --pool images").status == 1)
        let strace = try #require(findProgram("strace"))
        let outcome = try run(
            strace,
            [
                "-f", "-o", "/dev/null", "-e", "inject=fsetxattr:error=EOPNOTSUPP", "-e", "inject=linkat:error=EIO",
                storlibProgram,
            ]
                + session.words("vol-create-as images g.vmdk 1M --format vmdk --subformat monolithicFlat"),
            environment: session.environment
        )
        #expect(outcome.status == 1 && outcome.error.split(separator: "\n").count == 1, "\(outcome)")
        #expect(try names() == [])
    }

    // MARK: File systems

    @Test(.enabled("mounting needs root") { isRoot }, arguments: ["xfs", "btrfs"])
    func whereExtentsAreSharedNothingIsCopied(type: String) throws {
        guard findProgram("mkfs.\(type)") != nil else {
            return print("mkfs.\(type) is not installed: nothing is tested")
        }
        let filesystem = try LoopFilesystem(type, mebibytes: 2560)
        let session = Session(in: filesystem.path)
        let state = Session()
        func storlib(_ line: String, tracing log: String? = nil) throws -> Outcome {
            guard let log else { return try run(storlibProgram, session.words(line), environment: state.environment) }
            let strace = try #require(findProgram("strace"))
            let options = ["-f", "-T", "-o", log, "-e", "trace=ioctl,copy_file_range,pwrite64"]
            return try run(strace, options + [storlibProgram] + session.words(line), environment: state.environment)
        }
        #expect(try storlib("pool-define-as images dir --target @/images").status == 0)
        #expect(try storlib("pool-start images --build").status == 0)
        _ = try LoopFilesystem.tool(
            "dd",
            ["if=/dev/zero", "of=\(session.path)/images/a", "bs=16M", "count=64", "conv=fsync", "status=none"]
        )
        let log = state.path + "/log"
        let clone = try storlib("vol-clone a b --pool images", tracing: log)
        #expect(clone.status == 0, "\(clone)")
        let trace = try String(contentsOfFile: log, encoding: .utf8)
        let shared = try #require(
            trace.split(separator: "\n").first { $0.contains("FICLONE") || $0.contains("0x94, 0x9") },
            "\(trace)"
        )
        let seconds = shared.split(separator: "<").last.flatMap { Double($0.dropLast()) }
        #expect(shared.contains("= 0"), "\(shared)")
        #expect(try #require(seconds) < 0.05, "\(shared)")
        #expect(!trace.contains("copy_file_range("))
        let extents = try LoopFilesystem.tool("filefrag", ["-v", session.path + "/images/b"])
        #expect(extents.contains("shared"), "\(extents)")
        _ = try LoopFilesystem.tool("cmp", [session.path + "/images/a", session.path + "/images/b"])
        // A larger copy shares too, and so does what has another format around the same bytes.
        let xml =
            "<volume><name>c</name><capacity unit='MiB'>1025</capacity><target><format type='raw'/></target></volume>"
        try xml.write(toFile: state.path + "/c.xml", atomically: false, encoding: .utf8)
        #expect(try storlib("vol-create-from images \(state.path)/c.xml a").status == 0)
        #expect(try storlib("vol-info c --pool images --bytes").output.contains("Capacity:       1074790400 bytes"))
        let converted = try storlib("vol-clone a d --format qcow2 --pool images")
        #expect(converted.status == 0, "\(converted)")
        _ = try LoopFilesystem.tool("qemu-img", ["check", "-f", "qcow2", session.path + "/images/d"])
        let used = try LoopFilesystem.tool("df", ["-B1", "--output=used", filesystem.path])
        // Four copies of 1 GiB in what holds one.
        #expect(
            try #require(used.split(separator: "\n").last.flatMap { Int($0.trimmingCharacters(in: .whitespaces)) })
                < 1700 << 20,
            "\(used)"
        )
        #expect(try storlib("vol-clone d e --pool images").status == 0)
        _ = try LoopFilesystem.tool("cmp", [session.path + "/images/d", session.path + "/images/e"])
    }

    @Test(.enabled("mounting needs root") { isRoot }, arguments: ["raw", "qcow2", "vmdk", "vdi"])
    func aDiskThatFillsUpWhileACopyIsMade(format: String) throws {
        let filesystem = try LoopFilesystem("ext4", mebibytes: 16)
        try start()
        try FileManager.default.createDirectory(atPath: filesystem.path + "/small", withIntermediateDirectories: true)
        try session.succeed("pool-define-as small dir --target \(filesystem.path)/small")
        try session.succeed("pool-start small")
        try write(Self.pattern(1 << 20), to: "block")
        try tool("dd", "if=@/block of=@/images/a bs=1M status=none")
        for number in 1..<30 {
            try tool("dd", "if=@/block of=@/images/a bs=1M seek=\(number) status=none conv=notrunc")
        }
        let before = try bytes("images/a")
        let options = format == "vmdk" ? "" : " --prealloc-metadata"
        for option in ["", format == "qcow2" ? options : ""] {
            let xml = "<volume><name>b</name><target><format type='\(format)'/></target></volume>"
            try session.write(xml, to: "b.xml")
            let error = try refusal("vol-create-from small @/b.xml a --inputpool images\(option)")
            #expect(error.contains("no space"), "\(error)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: filesystem.path + "/small") == [])
            #expect(try bytes("images/a") == before)
        }
        // Nothing is still held.
        try session.succeed("vol-create-as small c 8M")
        try session.succeed("pool-refresh small")
        try session.succeed("vol-delete c --pool small")
    }
}
