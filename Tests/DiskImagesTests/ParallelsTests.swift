import DiskImages
import StorageBase
import Testing

struct ParallelsTests {
    private let scratch = ImageScratch()

    @Test(arguments: [0, 1, 511, (1 << 20) + 1, 10 << 30, 2 << 40] as [UInt64], ["1M", "64k"])
    func whatQEMUMakesIsReadAsItReadsIt(size: UInt64, clusterSize: String) throws {
        try scratch.run("qemu-img", ["create", "-f", "parallels", "-o", "cluster_size=\(clusterSize)", "a", "\(size)"])
        let image = try scratch.image("a")
        #expect(image.description.format == .parallels)
        #expect(image.virtualSize == (size + 511) / 512 * 512)
        #expect(image.description.clusterSize?.bytes == (clusterSize == "1M" ? 1 << 20 : 1 << 16))
        #expect(image.description.subformat == "WithouFreSpacExt")
        #expect(!image.description.isDirty)
        if clusterSize == "1M" {
            let check = try scratch.check("a")
            #expect(check.isClean)
            #expect(check.allocatedUnits == 0)
        }
        if size > 0 { #expect(try image.extent(at: size - 1).range.upperBound == image.virtualSize) }
    }

    @Test(arguments: [1, 5_000_001, 20 << 20] as [UInt64], ["1M", "64k"])
    func contentIsReadAsQEMUReadsIt(size: UInt64, clusterSize: String) throws {
        let seed = ImageScratch.newSeed()
        try scratch.makePattern("raw", size: size, seed: seed)
        try scratch.run(
            "qemu-img",
            ["convert", "-f", "raw", "-O", "parallels", "-o", "cluster_size=\(clusterSize)", "raw", "a"]
        )
        try scratch.expectContent(of: scratch.image("a"), isIn: "raw")
        let check = try scratch.check("a")
        #expect(check.isClean, "\(check.findings)")
        try scratch.run("qemu-img", ["check", "-f", "parallels", "a"])
    }

    /// The older kind, of clusters of any number of sectors, whose table counts in sectors.
    @Test(arguments: [63, 504, 512] as [UInt64]) func theOlderKindIsReadToo(clusterSectors: UInt64) throws {
        let seed = ImageScratch.newSeed()
        try scratch.makePattern("raw", size: 3 << 20, seed: seed)
        let clusters = ((6144 as UInt64) + clusterSectors - 1) / clusterSectors
        var header = Array("WithoutFreeSpace".utf8)
        // The sector count is of 32 bits; what is behind it was not always zero.
        for field in [2, 16, 12, clusterSectors, clusters, 6144, 0xFFFF_FFFF, 0, 0, 0, 0, 0] {
            header += VDITests.littleEndian(UInt32(field))
        }
        let dataOffset = ((64 + clusters * 4) + 511) / 512
        let raw = try scratch.open("raw").file.read(count: 3 << 20, at: 0)
        var data: [UInt8] = []
        var order = Array(0..<clusters)
        var generator = SeededGenerator(seed: seed)
        order.shuffle(using: &generator)
        var table = [UInt64](repeating: 0, count: Int(clusters))
        for index in order {
            let part = raw[Int(index * clusterSectors * 512)..<min(Int((index + 1) * clusterSectors * 512), raw.count)]
            guard part.contains(where: { $0 != 0 }) else { continue }
            table[Int(index)] = dataOffset + UInt64(data.count) / 512
            data += part + [UInt8](repeating: 0, count: Int(clusterSectors) * 512 - part.count)
        }
        for entry in table { header += VDITests.littleEndian(UInt32(entry)) }
        header += [UInt8](repeating: 0, count: Int(dataOffset) * 512 - header.count)
        try scratch.write(header + data, to: "a")
        let image = try scratch.image("a")
        #expect(image.description.subformat == "WithoutFreeSpace")
        #expect(image.description.clusterSize?.bytes == clusterSectors * 512)
        try scratch.run("qemu-img", ["compare", "-f", "raw", "-F", "parallels", "raw", "a"])
        try scratch.expectContent(of: image, isIn: "raw")
        let check = try scratch.check("a")
        #expect(check.isClean, "\(check.findings)")
        try scratch.run("qemu-img", ["check", "-f", "parallels", "a"])
    }

    @Test func clustersInARowAreOneExtent() throws {
        try scratch.run("qemu-img", ["create", "-f", "parallels", "a", "10M"])
        try scratch.run("qemu-io", ["-f", "parallels", "-c", "write -P 7 2M 3M", "-c", "write -P 8 0 1M", "a"])
        let image = try scratch.image("a")
        #expect(try image.extent(at: 3 << 20).range == 3 << 20..<5 << 20)
        #expect(try image.extent(at: 2 << 20).range == 2 << 20..<5 << 20)
        #expect(try image.extent(at: 5 << 20).range == 5 << 20..<10 << 20)
        #expect(try scratch.check("a").allocatedUnits == 4)
    }

    @Test func theMarkOfAWriterAndAnExtensionAreSeen() throws {
        try scratch.run("qemu-img", ["create", "-f", "parallels", "a", "10M"])
        try scratch.patch("a", at: 44, VDITests.littleEndian(0x746F_6E59 as UInt32))
        #expect(try scratch.image("a").description.isDirty)
        #expect(try scratch.check("a").corruptionCount == 1)
        try scratch.run("qemu-img", ["check", "-f", "parallels", "a"], expecting: [2])
        try scratch.patch("a", at: 44, VDITests.littleEndian(0x312E_3276 as UInt32))
        #expect(try scratch.check("a").isClean)
        try scratch.patch("a", at: 56, VDITests.littleEndian(2048 as UInt64))
        #expect(try scratch.image("a").description.features == ["format_extension"])
        #expect(try scratch.content(scratch.image("a"), 0..<1 << 20).allSatisfy { $0 == 0 })
    }

    @Test func damageIsFound() throws {
        try scratch.run("qemu-img", ["create", "-f", "parallels", "a", "10M"])
        try scratch.run("qemu-io", ["-f", "parallels", "-c", "write -P 7 0 3M", "a"])
        #expect(try scratch.check("a").isClean)
        #expect(try scratch.check("a").endOffset.bytes == 4 << 20)
        let entries: [(UInt32, Int)] = [(1, 0), (2, 1), (3, 1), (0, 0), (4, 1), (UInt32.max, 1)]
        for (entry, count) in entries {
            try scratch.patch("a", at: 64, VDITests.littleEndian(entry))
            #expect(try scratch.check("a").corruptionCount == count, "entry \(entry)")
        }
        try scratch.patch("a", at: 64, VDITests.littleEndian(1 as UInt32))
        try scratch.open("a", writable: true).file.setSize(ByteCount(6 << 20))
        let check = try scratch.check("a")
        #expect(check.leakCount == 2)
        let text = try scratch.run("qemu-img", ["check", "-f", "parallels", "--output=json", "a"], expecting: [3])
        #expect(text.contains("\"leaks\": 2"))
        // A table that is smaller than the disk: zeros follow.
        try scratch.patch("a", at: 32, VDITests.littleEndian(2 as UInt32))
        #expect(try scratch.check("a").corruptionCount == 1)
        let image = try scratch.image("a")
        #expect(try image.extent(at: 3 << 20).range == 2 << 20..<10 << 20)
    }

    @Test func randomDamageIsFoundOrPassedOver() throws {
        let seed = ImageScratch.newSeed()
        try scratch.run("qemu-img", ["create", "-f", "parallels", "a", "10M"])
        try scratch.run("qemu-io", ["-f", "parallels", "-c", "write -P 7 0 3M", "a"])
        try scratch.tryRandomDamage("a", 0..<110, as: .parallels, seed: seed)
    }

    @Test func hostileHeadersAreRefused() throws {
        try scratch.run("qemu-img", ["create", "-f", "parallels", "a", "10M"])
        try scratch.run("qemu-io", ["-f", "parallels", "-c", "write -P 7 0 3M", "a"])
        try scratch.tryEachByte("a", 0..<110, as: .parallels)
        try scratch.tryLengths("a", [0, 1, 16, 20, 63, 64, 65, 103, 104, 1 << 20, 2 << 20, 3 << 20], as: .parallels)
        try scratch.patch("a", at: 16, [3])
        let error = #expect(throws: StorageError.self) { try scratch.image("a") }
        #expect(error?.code == .notSupported)
    }

    @Test func aDiskOfAnySizeHasNoEnd() throws {
        try scratch.run("qemu-img", ["create", "-f", "parallels", "a", "10M"])
        try scratch.patch("a", at: 36, VDITests.littleEndian(UInt64(Int64.max) / 512))
        let image = try scratch.image("a")
        #expect(try image.extent(at: 1 << 60).range == 10 << 20..<image.virtualSize)
        try scratch.patch("a", at: 36, VDITests.littleEndian(UInt64(Int64.max) / 512 + 1))
        #expect(throws: StorageError.self) { try scratch.image("a") }
    }
}
