import DiskImages
import StorageBase
import Testing

struct VDITests {
    private let scratch = ImageScratch()
    private static let sizes: [UInt64] = [0, 1, 511, (1 << 20) + 1, 10 << 30, 2 << 40]
    private static let largest: UInt64 = 0x1_FFFF_F800_0000

    @Test(arguments: sizes + [8 << 40], [nil, "dynamic", "static"])
    func whatIsMadeQEMUHoldsForSound(size: UInt64, subformat: String?) throws {
        var creation = ImageCreation(format: .vdi, name: "a", virtualSize: size)
        creation.subformat = subformat
        // A static one is larger than some file systems' files.
        if size > 2 << 40, subformat == "static" { return }
        try scratch.make(creation)
        try scratch.run("qemu-img", ["check", "-f", "vdi", "a"])
        let information = try scratch.information("a")
        #expect(information["format"] as? String == "vdi")
        #expect(information["virtual-size"] as? UInt64 == (size + 511) / 512 * 512)
        let image = try scratch.image("a")
        #expect(image.virtualSize == (size + 511) / 512 * 512)
        #expect(image.description.subformat == subformat ?? "dynamic")
        #expect(image.description.clusterSize?.bytes == 1 << 20)
        let check = try scratch.check("a")
        #expect(check.isClean)
        #expect(check.allocatedUnits == (subformat == "static" ? check.totalUnits : 0))
    }

    @Test(arguments: ImageCreation.Preallocation.allCases) func preallocationIsOfAllBlocks(
        preallocation: ImageCreation.Preallocation
    ) throws {
        var creation = ImageCreation(format: .vdi, name: "a", virtualSize: 3 << 20)
        creation.preallocation = preallocation
        try scratch.make(creation)
        try scratch.run("qemu-img", ["check", "-f", "vdi", "a"])
        let blocks = try scratch.open("a").file.status().allocated.bytes
        switch preallocation {
        case .off, .metadata: #expect(blocks < 1 << 20)
        case .falloc, .full: #expect(blocks >= 3 << 20)
        }
        #expect(try scratch.check("a").allocatedUnits == (preallocation == .off ? 0 : 3))
        try scratch.write([], to: "raw")
        try scratch.open("raw", writable: true).file.setSize(ByteCount(3 << 20))
        try scratch.run("qemu-img", ["compare", "-f", "raw", "-F", "vdi", "raw", "a"])
    }

    @Test(arguments: sizes, ["off", "metadata"]) func whatQEMUMakesIsReadAsItReadsIt(
        size: UInt64,
        preallocation: String
    ) throws {
        let options = preallocation == "off" ? [] : ["-o", "static=on"]
        try scratch.run("qemu-img", ["create", "-f", "vdi"] + options + ["a", "\(size)"])
        let image = try scratch.image("a")
        #expect(image.description.format == .vdi)
        #expect(image.virtualSize == (size + 511) / 512 * 512)
        #expect(image.description.subformat == (preallocation == "off" ? "dynamic" : "static"))
        #expect(image.description.version == "1.1")
        #expect(try scratch.check("a").isClean)
    }

    @Test(arguments: [1, 5_000_001, 20 << 20] as [UInt64], ["dynamic", "static"])
    func contentComesThroughBothWays(size: UInt64, subformat: String) throws {
        let seed = ImageScratch.newSeed()
        try scratch.makePattern("raw", size: size, seed: seed)
        let options = subformat == "static" ? ["-o", "static=on"] : []
        try scratch.run("qemu-img", ["convert", "-f", "raw", "-O", "vdi"] + options + ["raw", "theirs"])
        try scratch.expectContent(of: scratch.image("theirs"), isIn: "raw")
        #expect(try scratch.check("theirs").isClean)

        var creation = ImageCreation(format: .vdi, name: "ours", virtualSize: size)
        creation.subformat = subformat
        try scratch.convert("raw", to: creation)
        try scratch.run("qemu-img", ["compare", "-f", "raw", "-F", "vdi", "raw", "ours"])
        try scratch.run("qemu-img", ["check", "-f", "vdi", "ours"])
        try scratch.expectContent(of: scratch.image("ours"), isIn: "raw")
        #expect(try scratch.check("ours").isClean)
    }

    @Test func blocksOfAnyOrderAreRead() throws {
        try scratch.run("qemu-img", ["create", "-f", "vdi", "a", "10M"])
        for block in [7, 2, 3, 9, 0] {
            try scratch.run("qemu-io", ["-f", "vdi", "-c", "write -P \(block + 1) \(block)M 1M", "a"])
        }
        let image = try scratch.image("a")
        for block in 0..<10 as Range<UInt64> {
            let byte = try scratch.content(image, block << 20..<block << 20 + 1)[0]
            #expect(byte == ([7, 2, 3, 9, 0].contains(block) ? UInt8(block + 1) : 0))
        }
        // Blocks 2 and 3 follow each other in the file too.
        #expect(try image.extent(at: 2 << 20).range == 2 << 20..<4 << 20)
        #expect(try image.extent(at: 4 << 20).range == 4 << 20..<7 << 20)
    }

    @Test func discardedBlocksAreZeros() throws {
        try scratch.make(ImageCreation(format: .vdi, name: "a", virtualSize: 4 << 20))
        try scratch.patch("a", at: 516, [0xFE, 0xFF, 0xFF, 0xFF])
        let extent = try scratch.image("a").extent(at: 1 << 20)
        #expect(extent.range == (1 << 20..<2 << 20) as Range<UInt64>)
        guard case .zero = extent.content else {
            Issue.record("\(extent.content)")
            return
        }
    }

    @Test func refusedIsWhatTheFormatHasNot() throws {
        var creation = ImageCreation(format: .vdi, name: "a", virtualSize: Self.largest)
        try creation.validate()
        creation.virtualSize += 1
        #expect(throws: StorageError.self) { try creation.validate() }
        try scratch.run("qemu-img", ["create", "-f", "vdi", "b", "\(Self.largest + 512)"], expecting: [1])
        creation.virtualSize = 1 << 20
        creation.subformat = "undo"
        #expect(throws: StorageError.self) { try creation.validate() }
        creation.subformat = "dynamic"
        creation.preallocation = .metadata
        #expect(throws: StorageError.self) { try creation.validate() }
        creation = ImageCreation(format: .vdi, name: "a", virtualSize: 1)
        creation.backing = ImageDescription.Backing(name: "b")
        #expect(throws: StorageError.self) { try creation.validate() }
    }

    @Test func ofTheLargestSizeIsRead() throws {
        // Its map has 2 GiB: as a hole, all blocks are the first one.
        try scratch.make(ImageCreation(format: .vdi, name: "a", virtualSize: 1 << 20))
        try scratch.patch("a", at: 368, Self.littleEndian(Self.largest))
        try scratch.patch("a", at: 384, Self.littleEndian(UInt32(Self.largest >> 20)))
        let file = try scratch.open("a", writable: true)
        try file.file.setSize(ByteCount(3 << 30))
        let image = try scratch.image("a")
        #expect(image.virtualSize == Self.largest)
        #expect(try image.extent(at: Self.largest - 1).range.upperBound == Self.largest)
    }

    static func littleEndian<Integer: FixedWidthInteger & BitwiseCopyable>(_ value: Integer) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: MemoryLayout<Integer>.size)
        bytes.store(littleEndian: value, at: 0)
        return bytes
    }

    // MARK: Resize

    /// From small to large, with room for the map and without, by blocks and within one.
    @Test(
        arguments: [
            (5 << 20, (5 << 20) + 512), (5_000_192, 6 << 20), (1 << 20, 400 << 20), (1 << 20, 1 << 40), (0, 1 << 30),
            (30 << 20, 600 << 30),
        ] as [(UInt64, UInt64)],
        ["ours dynamic", "ours static", "theirs dynamic", "theirs static"]
    )
    func whatGrowsKeepsItsContent(sizes: (old: UInt64, new: UInt64), maker: String) throws {
        let isStatic = maker.hasSuffix("static")
        let seed = ImageScratch.newSeed()
        try scratch.makePattern("raw", size: sizes.old, seed: seed)
        if maker.hasPrefix("ours") {
            var creation = ImageCreation(format: .vdi, name: "a", virtualSize: sizes.old)
            creation.subformat = isStatic ? "static" : nil
            try scratch.convert("raw", to: creation)
        } else {
            let options = isStatic ? ["-o", "static=on"] : []
            try scratch.run("qemu-img", ["convert", "-O", "vdi", "-f", "raw"] + options + ["raw", "a"])
        }
        try scratch.resize("a", to: sizes.new)
        try scratch.run("qemu-img", ["check", "-f", "vdi", "a"])
        #expect(try scratch.check("a").isClean)
        #expect(try scratch.image("a").virtualSize == sizes.new)
        #expect(try scratch.information("a")["virtual-size"] as? UInt64 == sizes.new)
        if isStatic { #expect(try scratch.check("a").allocatedUnits == (sizes.new + (1 << 20) - 1) >> 20) }
        try scratch.open("raw", writable: true).file.setSize(ByteCount(sizes.new))
        if sizes.new < 1 << 32 { try scratch.run("qemu-img", ["compare", "-F", "vdi", "-f", "raw", "raw", "a"]) }
        let image = try scratch.image("a")
        let start = try scratch.content(image, 0..<min(sizes.new, sizes.old + (2 << 20)))
        let expected = try scratch.open("raw").file.read(count: start.count, at: 0)
        let isSame = start == expected
        #expect(isSame)
        // A guest's new blocks are where no other is.
        try scratch.run("qemu-io", ["-f", "vdi", "-c", "write -P 1 \(sizes.new - 512) 512", "a"])
        try scratch.run("qemu-io", ["-f", "raw", "-c", "write -P 1 \(sizes.new - 512) 512", "raw"])
        try scratch.run("qemu-img", ["check", "-f", "vdi", "a"])
        let after = try scratch.content(scratch.image("a"), 0..<UInt64(start.count)) == start
        #expect(after || sizes.new <= sizes.old + (2 << 20))
    }

    @Test(arguments: ["off", "on"]) func untilTheHeaderIsWrittenTheOldDiskIsRead(isStatic: String) throws {
        let seed = ImageScratch.newSeed()
        try scratch.makePattern("raw", size: 30 << 20, seed: seed, runs: 40)
        try scratch.run("qemu-img", ["convert", "-O", "vdi", "-o", "static=\(isStatic)", "-f", "raw", "raw", "a"])
        let header = try scratch.open("a").file.read(count: 512, at: 0)
        try scratch.resize("a", to: 600 << 30)
        // The map has found a place of its own, and first blocks have made it.
        let grown = try scratch.open("a").file.read(count: 512, at: 0)
        #expect(grown[340..<348] != header[340..<348])
        try scratch.patch("a", at: 0, header)
        try scratch.expectContent(of: scratch.image("a"), isIn: "raw")
        try scratch.run("qemu-img", ["compare", "-F", "vdi", "-f", "raw", "raw", "a"])
        // Who goes on from there grows it too.
        try scratch.resize("a", to: 600 << 30)
        try scratch.run("qemu-img", ["check", "-f", "vdi", "a"])
        let image = try scratch.image("a")
        let expected = try scratch.open("raw").file.read(count: 30 << 20, at: 0)
        let isSame = try scratch.content(image, 0..<34 << 20) == expected + [UInt8](repeating: 0, count: 4 << 20)
        #expect(isSame)
    }

    @Test func whatLiesBehindTheBlocksIsNotRead() throws {
        var creation = ImageCreation(format: .vdi, name: "a", virtualSize: 2 << 20)
        creation.subformat = "static"
        try scratch.make(creation)
        try scratch.patch("a", at: 3 << 20, [1, 2, 3])
        try scratch.resize("a", to: 5 << 20)
        #expect(try scratch.open("a").size == 6 << 20)
        let isZero = try scratch.content(scratch.image("a"), 0..<5 << 20).allSatisfy { $0 == 0 }
        #expect(isZero)
    }

    @Test func whoGivesUpLeavesTheImageAsItWas() throws {
        let seed = ImageScratch.newSeed()
        try scratch.makePattern("raw", size: 5 << 20, seed: seed)
        try scratch.run("qemu-img", ["convert", "-O", "vdi", "-f", "raw", "raw", "a"])
        try scratch.run("cp", ["a", "b"])
        let image = try #require(scratch.image("a", writable: true) as? any ResizableImage)
        let cancellation = Cancellation()
        cancellation.cancel()
        let error = #expect(throws: StorageError.self) { try image.resize(to: 1 << 40, cancellation: cancellation) }
        #expect(error?.code == .cancelled)
        try scratch.run("cmp", ["a", "b"])
    }

    @Test func whatShrinksAndGrowsReadsAsZerosThere() throws {
        let seed = ImageScratch.newSeed()
        try scratch.makePattern("raw", size: 8 << 20, seed: seed, runs: 80)
        var creation = ImageCreation(format: .vdi, name: "a", virtualSize: 8 << 20)
        creation.subformat = "static"
        try scratch.convert("raw", to: creation)
        try scratch.resize("a", to: (3 << 20) + 5120)
        try scratch.open("raw", writable: true).file.setSize(ByteCount((3 << 20) + 5120))
        try scratch.run("qemu-img", ["check", "-f", "vdi", "a"])
        try scratch.run("qemu-img", ["compare", "-F", "vdi", "-f", "raw", "raw", "a"])
        #expect(try scratch.open("a").size == 5 << 20)
        try scratch.resize("a", to: 8 << 20)
        try scratch.open("raw", writable: true).file.setSize(ByteCount(8 << 20))
        try scratch.run("qemu-img", ["check", "-f", "vdi", "a"])
        try scratch.run("qemu-img", ["compare", "-F", "vdi", "-f", "raw", "raw", "a"])
    }

    @Test func blocksAmongOthersAreNotCutOff() throws {
        try scratch.make(ImageCreation(format: .vdi, name: "a", virtualSize: 10 << 20))
        for block in [1, 8, 2] {
            try scratch.run("qemu-io", ["-f", "vdi", "-c", "write -P 1 \(block)M 1M", "a"])
        }
        // Nothing is in use there.
        try scratch.resize("a", to: 9 << 20)
        try scratch.run("qemu-img", ["check", "-f", "vdi", "a"])
        let before = try scratch.open("a").file.read(count: 8 << 20, at: 0)
        #expect(throws: StorageError.self) { try scratch.resize("a", to: 4 << 20) }
        let isSame = try scratch.open("a").file.read(count: 8 << 20, at: 0) == before
        #expect(isSame)
        // The last block of the file is the disk's at 2 MiB.
        #expect(throws: StorageError.self) { try scratch.resize("a", to: Self.largest + 1) }
    }

    @Test func aMapThatCannotGrowIsRefused() throws {
        try scratch.run("qemu-img", ["create", "-f", "vdi", "a", "1M"])
        try scratch.patch("a", at: 344, Self.littleEndian(UInt32.max - 511))
        try scratch.patch("a", at: 340, Self.littleEndian(UInt32.max - 1023))
        try scratch.open("a", writable: true).file.setSize(ByteCount(1 << 32))
        #expect(throws: StorageError.self) { try scratch.resize("a", to: 1 << 40) }
    }

    // MARK: Damage

    @Test func damageIsFound() throws {
        try scratch.make(ImageCreation(format: .vdi, name: "a", virtualSize: 4 << 20))
        for block in 0..<3 { try scratch.run("qemu-io", ["-f", "vdi", "-c", "write -P 1 \(block)M 1M", "a"]) }
        #expect(try scratch.check("a").allocatedUnits == 3)
        #expect(try scratch.check("a").endOffset.bytes == 4 << 20)
        // Two blocks with one number.
        try scratch.patch("a", at: 516, Self.littleEndian(0 as UInt32))
        var check = try scratch.check("a")
        #expect(check.corruptionCount == 1)
        #expect(check.findings[0].offset.bytes == 516)
        #expect(check.leakCount == 1)
        #expect(throws: StorageError.self) { try scratch.resize("a", to: 8 << 20) }
        // Outside the file.
        try scratch.patch("a", at: 516, Self.littleEndian(1000 as UInt32))
        check = try scratch.check("a")
        #expect(check.corruptionCount == 1)
        #expect(throws: StorageError.self) { try scratch.content(scratch.image("a"), 0..<4 << 20) }
        #expect(try scratch.content(scratch.image("a"), 0..<1 << 20).allSatisfy { $0 == 1 })
        try scratch.patch("a", at: 516, Self.littleEndian(1 as UInt32))
        // The next block that is written to would be an old one.
        try scratch.patch("a", at: 388, Self.littleEndian(2 as UInt32))
        #expect(try scratch.check("a").corruptionCount == 1)
        try scratch.patch("a", at: 388, Self.littleEndian(3 as UInt32))
        #expect(try scratch.check("a").isClean)
    }

    @Test(arguments: [(3, "undo"), (4, "differencing")]) func imagesWithAParentAreNot(kind: UInt32, name: String) throws
    {
        try scratch.make(ImageCreation(format: .vdi, name: "a", virtualSize: 4 << 20))
        try scratch.patch("a", at: 76, Self.littleEndian(kind))
        let error = #expect(throws: StorageError.self) { try scratch.image("a") }
        #expect(error?.code == .notSupported)
        #expect(error?.message.contains(name) == true)
    }

    @Test(arguments: ["off", "on"]) func randomDamageIsFoundOrPassedOver(isStatic: String) throws {
        let seed = ImageScratch.newSeed()
        try scratch.run("qemu-img", ["create", "-f", "vdi", "-o", "static=\(isStatic)", "a", "5M"])
        try scratch.run("qemu-io", ["-f", "vdi", "-c", "write -P 1 1M 2M", "a"])
        try scratch.tryRandomDamage("a", 64..<536, as: .vdi, seed: seed)
        // Its size cannot be changed, or it can, and nothing traps.
        let fields: [UInt64] = [68, 76, 340, 344, 368, 372, 384, 388, 512, 516, 520, 524, 528]
        let values: [UInt32] = [
            0, 1, 2, 3, 5, 512, 1024, 1 << 20, UInt32(Int32.max), .max - 2, .max - 1, .max,
        ]
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<60 {
            try scratch.run("cp", ["a", "b"])
            for _ in 0..<2 {
                let field = fields.randomElement(using: &generator) ?? 0
                let value = values.randomElement(using: &generator) ?? 0
                try scratch.patch("b", at: field, Self.littleEndian(value))
            }
            for size in [3 << 20, 5 << 20, 400 << 20] as [UInt64] {
                guard let image = try? scratch.image("b", writable: true) as? any ResizableImage else { continue }
                do throws(StorageError) {
                    try image.resize(to: size, cancellation: Cancellation())
                    #expect(try VDIImage.describe(scratch.open("b")).virtualSize.bytes == size)
                } catch {}
            }
        }
    }

    @Test func hostileHeadersAreRefused() throws {
        try scratch.run("qemu-img", ["create", "-f", "vdi", "a", "5M"])
        try scratch.run("qemu-io", ["-f", "vdi", "-c", "write -P 1 1M 2M", "a"])
        try scratch.tryEachByte("a", 64..<560, as: .vdi)
        try scratch.tryLengths(
            "a",
            [0, 1, 63, 64, 67, 68, 100, 400, 511, 512, 513, 530, 1023, 1024, 1025, (1 << 20) + 1024],
            as: .vdi
        )
    }
}
