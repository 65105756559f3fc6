import DiskImages
import StorageBase
import Testing

struct QEDTests {
    private let scratch = ImageScratch()

    @Test(
        arguments: [0, 1, 511, (1 << 20) + 1, 10 << 30, 2 << 40, 64 << 40] as [UInt64],
        ["cluster_size=64k", "cluster_size=4k,table_size=2", "cluster_size=1M,table_size=16"]
    )
    func whatQEMUMakesIsReadAsItReadsIt(size: UInt64, options: String) throws {
        // More than the tables of small clusters hold.
        if options.hasPrefix("cluster_size=4k"), size > 4 << 30 { return }
        try scratch.run("qemu-img", ["create", "-f", "qed", "-o", options, "a", "\(size)"])
        let information = try scratch.information("a")
        let image = try scratch.image("a")
        #expect(image.description.format == .qed)
        #expect(image.virtualSize == information["virtual-size"] as? UInt64)
        #expect(image.description.clusterSize?.bytes == information["cluster-size"] as? UInt64)
        #expect(image.description.isDirty == false)
        #expect(try scratch.check("a").isClean)
        if size > 0 {
            let extent = try image.extent(at: image.virtualSize - 1)
            #expect(extent.range.upperBound == image.virtualSize)
        }
        #expect(throws: StorageError.self) {
            try ImageCreation(format: .qed, name: "b", virtualSize: 1).validate()
        }
    }

    @Test(arguments: [1, 5_000_001, 20 << 20] as [UInt64], ["64k", "4k"])
    func contentIsReadAsQEMUReadsIt(size: UInt64, clusterSize: String) throws {
        let seed = ImageScratch.newSeed()
        try scratch.makePattern("raw", size: size, seed: seed)
        let options = "cluster_size=\(clusterSize),table_size=2"
        try scratch.run("qemu-img", ["convert", "-f", "raw", "-O", "qed", "-o", options, "raw", "a"])
        try scratch.expectContent(of: scratch.image("a"), isIn: "raw")
        let check = try scratch.check("a")
        #expect(check.isClean)
        #expect(try check.endOffset.bytes == scratch.open("a").size)
    }

    @Test(arguments: ["raw", "qcow2"]) func backingFilesAndZerosAreToldApart(format: String) throws {
        try scratch.run("qemu-img", ["create", "-f", format, "base", "8M"])
        try scratch.run("qemu-img", ["create", "-f", "qed", "-b", "base", "-F", format, "a"])
        try scratch.run("qemu-io", ["-f", "qed", "-c", "write -P 7 1M 128k", "-c", "write -z 2M 64k", "a"])
        let image = try scratch.image("a")
        #expect(image.description.backing?.name == "base")
        // Only that it is not to be probed is written down.
        #expect(image.description.backing?.format == (format == "raw" ? .raw : nil))
        let data = try image.extent(at: 1 << 20)
        #expect(data.range.lowerBound == 1 << 20 && data.range.upperBound == (1 << 20) + 131_072)
        let zero = try image.extent(at: 2 << 20)
        #expect(zero.range.lowerBound == 2 << 20 && zero.range.upperBound == (2 << 20) + 65_536)
        switch (data.content, zero.content, try image.extent(at: 0).content) {
        case (.data, .zero, .unallocated): break
        default: Issue.record("\(data.content) \(zero.content)")
        }
    }

    @Test func theDirtyMarkIsSeen() throws {
        try scratch.run("qemu-img", ["create", "-f", "qed", "a", "8M"])
        try scratch.patch("a", at: 16, [2])
        #expect(try scratch.image("a").description.isDirty)
        try scratch.patch("a", at: 16, [8])
        let error = #expect(throws: StorageError.self) { try scratch.image("a") }
        #expect(error?.code == .notSupported)
    }

    @Test func damageIsFoundAsQEMUFindsIt() throws {
        try scratch.run("qemu-img", ["create", "-f", "qed", "a", "1G"])
        try scratch.run("qemu-io", ["-f", "qed", "-c", "write -P 7 0 192k", "-c", "write -P 8 512M 64k", "a"])
        var check = try scratch.check("a")
        #expect(check.isClean)
        #expect(check.allocatedUnits == 4)
        #expect(check.totalUnits == 16384)
        let l2 = try scratch.open("a").table(at: 65536, count: 1, isBigEndian: false, "the L1 table")[0]
        let entries = try scratch.open("a").table(at: l2, count: 3, isBigEndian: false, "an L2 table")
        for entry in [entries[1], l2, 65536, 0, 1 << 40, entries[0] + 4096, 2] {
            try scratch.patch("a", at: l2, VDITests.littleEndian(entry))
            check = try scratch.check("a")
            #expect(check.corruptionCount == (entry == 0 ? 0 : 1), "\(entry)")
            // The cluster that was there.
            #expect(check.leakCount == (entry == entries[0] + 4096 || entry == 0 ? 1 : check.leakCount))
            let text = try scratch.run("qemu-img", ["check", "-f", "qed", "--output=json", "a"], expecting: [2, 3])
            if entry != 0 { #expect(text.contains("\"corruptions\": 1"), "\(text)") }
            #expect(text.contains("\"leaks\": \(check.leakCount)"), "\(text)")
        }
        try scratch.patch("a", at: l2, VDITests.littleEndian(entries[0]))
        // A table that is two entries' is looked at once.
        try scratch.patch("a", at: 65536 + 8, VDITests.littleEndian(l2))
        #expect(try scratch.check("a").corruptionCount == 1)
    }

    @Test func leaksAreCounted() throws {
        try scratch.run("qemu-img", ["create", "-f", "qed", "a", "1G"])
        try scratch.open("a", writable: true).file.setSize(ByteCount(65536 * 105 + 100))
        let check = try scratch.check("a")
        #expect(check.leakCount == 100)
        #expect(check.findings.count == 1)
        #expect(check.corruptionCount == 0)
        let text = try scratch.run("qemu-img", ["check", "-f", "qed", "--output=json", "a"], expecting: [3])
        #expect(text.contains("\"leaks\": 100"))
    }

    @Test func randomDamageIsFoundOrPassedOver() throws {
        let seed = ImageScratch.newSeed()
        try scratch.run("qemu-img", ["create", "-f", "qed", "a", "1G"])
        try scratch.run("qemu-io", ["-f", "qed", "-c", "write -P 7 0 192k", "-c", "write -P 8 512M 64k", "a"])
        try scratch.tryRandomDamage("a", 0..<64, as: .qed, seed: seed)
        try scratch.tryRandomDamage("a", 65536..<65552, as: .qed, seed: seed)
        try scratch.tryRandomDamage("a", 327_680..<327_712, as: .qed, seed: seed)
    }

    @Test func hostileHeadersAreRefused() throws {
        try scratch.run("qemu-img", ["create", "-f", "raw", "base", "8M"])
        try scratch.run("qemu-img", ["create", "-f", "qed", "-b", "base", "-F", "raw", "a"])
        try scratch.run("qemu-io", ["-f", "qed", "-c", "write -P 7 1M 128k", "a"])
        try scratch.tryEachByte("a", 0..<72, as: .qed)
        try scratch.tryLengths("a", [0, 1, 4, 63, 64, 65, 67, 512, 65536, 65537, 327_679, 327_680, 400_000], as: .qed)
    }

    @Test func theLargestTablesAreReadByParts() throws {
        // QEMU cannot make it: its limit overflows.
        try scratch.run("qemu-img", ["create", "-f", "qed", "a", "1G"])
        try scratch.patch("a", at: 4, VDITests.littleEndian(64 << 20 as UInt32))
        try scratch.patch("a", at: 8, VDITests.littleEndian(16 as UInt32))
        try scratch.patch("a", at: 40, VDITests.littleEndian(64 << 20 as UInt64))
        try scratch.patch("a", at: 48, VDITests.littleEndian(UInt64(Int64.max) / 512 * 512))
        #expect(throws: StorageError.self) { try scratch.image("a") }
        try scratch.open("a", writable: true).file.setSize(ByteCount(17 * 64 << 20))
        let largest = try scratch.image("a")
        #expect(largest.virtualSize == UInt64(Int64.max) / 512 * 512)
        #expect(try largest.extent(at: largest.virtualSize - 1).range.upperBound == largest.virtualSize)
    }
}
