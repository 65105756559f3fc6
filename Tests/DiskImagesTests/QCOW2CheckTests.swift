import DiskImages
import Foundation
import StorageBase
import Testing

struct QCOW2CheckTests {
    private let scratch = ImageScratch()

    private func check(_ name: String) throws -> ImageCheck {
        var check = ImageCheck()
        try scratch.image(name).check(&check, cancellation: Cancellation())
        return check
    }

    private func theirs(_ name: String) throws -> (corruptions: Int, leaks: Int, allocated: Int) {
        let text = try scratch.run(
            "qemu-img",
            ["check", "-f", "qcow2", "--output=json", name],
            expecting: [0, 2, 3]
        )
        let start = try #require(text.firstIndex(of: "{"))
        let end = try #require(text.lastIndex(of: "}"))
        let json = try #require(
            JSONSerialization.jsonObject(with: Data(text[start...end].utf8)) as? [String: Any]
        )
        return (
            json["corruptions"] as? Int ?? 0, json["leaks"] as? Int ?? 0, json["allocated-clusters"] as? Int ?? 0
        )
    }

    /// An image with most that the format has.
    private func makeImage(_ options: String, seed: UInt64) throws {
        try scratch.writeRandomDisk("disk", size: 8 << 20, seed: seed)
        try scratch.run("qemu-img", ["convert", "-c", "-O", "qcow2", "-o", options, "disk", "image"])
        for command in ["write 1M 300k", "write 5M 64k"] {
            try scratch.run("qemu-io", ["-f", "qcow2", "-c", command, "image"])
        }
        // Compressed units share clusters: narrow counts have no room for a snapshot's reference too.
        if !options.contains("refcount_bits=8"), !options.contains("refcount_bits=4") {
            try scratch.run("qemu-img", ["snapshot", "-c", "first", "image"])
            try scratch.run("qemu-io", ["-f", "qcow2", "-c", "write 1M 128k", "-c", "write 7M 4k", "image"])
            try scratch.run("qemu-img", ["snapshot", "-c", "second", "image"])
        }
        if options.contains("compat=1.1") { try scratch.run("qemu-img", ["bitmap", "--add", "image", "changes"]) }
    }

    @Test(
        arguments: [
            "compat=0.10", "compat=1.1", "compat=1.1,refcount_bits=64", "compat=1.1,refcount_bits=8,cluster_size=4k",
            "compat=1.1,refcount_bits=4,cluster_size=1k", "compat=1.1,cluster_size=512",
            "compat=1.1,extended_l2=on,cluster_size=32k", "compat=1.1,compression_type=zstd",
        ]
    )
    func soundImagesAreFoundSound(options: String) throws {
        try makeImage(options, seed: 5)
        let ours = try check("image")
        #expect(ours.isClean, "\(ours.findings.prefix(3))")
        let theirs = try theirs("image")
        #expect(theirs.corruptions == 0 && theirs.leaks == 0)
        #expect(Int(ours.allocatedUnits) == theirs.allocated)
    }

    /// Bytes of tables changed at random: where QEMU finds something wrong, so do we, and the same number of leaks.
    @Test(arguments: 1...40 as ClosedRange<UInt64>) func damageIsFound(seed: UInt64) throws {
        try scratch.writeRandomDisk("disk", size: 3 << 20, seed: seed)
        try scratch.run("qemu-img", ["convert", "-O", "qcow2", "-o", "cluster_size=4k", "disk", "image"])
        var generator = SeededGenerator(seed: seed)
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: scratch.path("image"))))
        // The refcount block and the tables: 8 bytes of one of them get another value.
        let l1 = try Int(bytes.bigEndian(UInt64.self, at: 40))
        let l2 = try Int(bytes.bigEndian(UInt64.self, at: l1) & 0x00FF_FFFF_FFFF_FE00)
        let table = try Int(bytes.bigEndian(UInt64.self, at: 48))
        let block = try Int(bytes.bigEndian(UInt64.self, at: table))
        var damaged = bytes
        switch seed % 4 {
        case 0:
            damaged.store(
                bigEndian: UInt16.random(in: 0...3, using: &generator),
                at: block + 2 * Int.random(in: 0..<100, using: &generator)
            )
        case 1: damaged.store(bigEndian: 0 as UInt64, at: l2 + 8 * Int.random(in: 0..<300, using: &generator))
        case 2:
            let target = UInt64.random(in: 0..<200, using: &generator) * 4096
            damaged.store(bigEndian: target | 1 << 63, at: l2 + 8 * Int.random(in: 0..<300, using: &generator))
        default: damaged.store(bigEndian: 0 as UInt64, at: l1)
        }
        try scratch.write(damaged, to: "image")
        let theirs = try theirs("image")
        let ours = try check("image")
        #expect((ours.corruptionCount > 0) == (theirs.corruptions > 0), "seed \(seed): \(theirs) \(ours.findings)")
        #expect(ours.leakCount == theirs.leaks, "seed \(seed): \(theirs) \(ours.findings)")
        guard let image = try scratch.image("image", writable: true) as? any RepairableImage else {
            Issue.record("qcow2 can be repaired")
            return
        }
        if theirs.corruptions == 0 {
            #expect(try image.repairLeaks(cancellation: Cancellation()) == theirs.leaks)
            let after = try self.theirs("image")
            #expect(after.leaks == 0 && after.corruptions == 0)
        } else {
            let before = damaged
            #expect(throws: StorageError.self) { try image.repairLeaks(cancellation: Cancellation()) }
            #expect([UInt8](try Data(contentsOf: URL(fileURLWithPath: scratch.path("image")))) == before)
        }
    }

    @Test(arguments: [512, 4096, 65536] as [UInt64], ["0.10", "1.1"])
    func growingAndShrinking(clusterSize: UInt64, level: String) throws {
        try scratch.writeRandomDisk("disk", size: 2 << 20, seed: clusterSize)
        var creation = ImageCreation(format: .qcow2, name: "image", virtualSize: 0)
        creation.clusterSize = clusterSize
        creation.compatibility = level
        try scratch.convert("disk", creation)
        // At the least 512-byte clusters a refcount table of one cluster describes 8 MiB.
        for size in [(2 << 20) + 512, 3 << 20, 200 << 20, 4 << 30, 100 << 30, 5 << 20] as [UInt64] {
            let image = try #require(try scratch.image("image", writable: true) as? any ResizableImage)
            try image.resize(to: size, cancellation: Cancellation())
            try scratch.run("qemu-img", ["check", "-f", "qcow2", "image"])
            #expect(try scratch.information("image")["virtual-size"] as? UInt64 == size)
            let ours = try check("image")
            #expect(ours.isClean, "\(size): \(ours.findings.prefix(3))")
            let grown = try scratch.open("disk", writable: true)
            try grown.file.setSize(ByteCount(size))
            if size < 1 << 30 { try scratch.run("qemu-img", ["compare", "-f", "raw", "-F", "qcow2", "disk", "image"]) }
        }
        let image = try #require(try scratch.image("image", writable: true) as? any ResizableImage)
        let error = #expect(throws: StorageError.self) { try image.resize(to: 512, cancellation: Cancellation()) }
        #expect(error?.code == .notSupported)
        #expect(error?.message.contains("it holds data at guest offset") == true)
    }

    @Test func snapshotsKeepTheirSize() throws {
        try makeImage("compat=1.1", seed: 1)
        let image = try #require(try scratch.image("image", writable: true) as? any ResizableImage)
        let error = #expect(throws: StorageError.self) { try image.resize(to: 1 << 30, cancellation: Cancellation()) }
        #expect(error?.message.contains("2 internal snapshots") == true)
    }
}
