import DiskImages
import StorageBase
import Testing

struct BochsTests {
    private let scratch = ImageScratch()

    /// An image built from the format's description alone: extents in the order given, each with the bits of its sectors.
    private func build(
        version: UInt32,
        size: UInt64,
        catalog: Int = 512,
        bitmapSize: UInt32 = 1,
        extents: [(index: Int, bits: [UInt8], data: [UInt8])]
    ) -> [UInt8] {
        func padded(_ bytes: [UInt8], _ count: Int) -> [UInt8] {
            bytes + [UInt8](repeating: 0, count: count - bytes.count)
        }
        func little(_ value: UInt64, _ count: Int) -> [UInt8] {
            (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
        }
        var bytes = padded(Array("Bochs Virtual HD Image".utf8), 32) + padded(Array("Redolog".utf8), 16)
        bytes += padded(Array("Growing".utf8), 16) + little(UInt64(version), 4) + little(512, 4)
        bytes += little(UInt64(catalog), 4) + little(UInt64(bitmapSize), 4) + little(UInt64(bitmapSize) * 4096, 4)
        if version == 0x20000 { bytes += little(0x5D78_B267, 4) }
        bytes = padded(bytes + little(size, 8), 512)
        var entries = [UInt8](repeating: 0xFF, count: catalog * 4)
        for (number, extent) in extents.enumerated() {
            entries.replaceSubrange(extent.index * 4..<extent.index * 4 + 4, with: little(UInt64(number), 4))
        }
        bytes += entries
        for extent in extents { bytes += padded(extent.bits, (Int(bitmapSize) + 511) / 512 * 512) + extent.data }
        return bytes
    }

    @Test(arguments: [0, 1, 511, (1 << 20) + 1, 10 << 30, 2 << 40, 8 << 40] as [UInt64])
    func whatIsMadeQEMUReads(size: UInt64) throws {
        for preallocation in ImageCreation.Preallocation.allCases {
            if preallocation != .off, size > 1 << 21 { continue }
            var creation = ImageCreation(format: .bochs, name: "image-\(preallocation)", virtualSize: size)
            creation.preallocation = preallocation
            creation.subformat = preallocation == .off ? "growing" : nil
            try scratch.make(creation)
            let rounded = (size + 511) / 512 * 512
            let information = try scratch.information(creation.name)
            #expect(information["format"] as? String == "bochs")
            #expect(information["virtual-size"] as? UInt64 == rounded)
            let file = try scratch.open(creation.name)
            #expect(try ImageFormat.probe(file) == .bochs)
            let description = try ImageFormat.bochs.describe(file)
            #expect(description.virtualSize.bytes == rounded)
            #expect(description.version == "2.0" && description.subformat == "growing")
            let check = try scratch.check(creation.name)
            #expect(check.isClean)
            #expect(check.allocatedUnits == (preallocation == .off ? 0 : check.totalUnits))
            #expect(check.endOffset.bytes == file.size)
            if size <= 1 << 21 {
                let zeros = [UInt8](repeating: 0, count: Int(rounded))
                #expect(try scratch.content(creation.name) == zeros)
                #expect(try scratch.contentByQEMU(creation.name, "bochs") == zeros)
            }
        }
    }

    /// What bximage of Bochs 2.7 makes: entries of the catalog, bytes of a bitmap and of an extent.
    @Test(
        arguments: [
            (10_321_920, 1024, 4, 16384), (528_482_304, 8192, 16, 65536), (10_737_377_280, 32768, 128, 524_288),
            (107_373_772_800, 131_072, 256, 1 << 20), (2_147_483_197_440, 524_288, 1024, 4 << 20),
            (8_589_934_338_048, 1 << 20, 2048, 8 << 20),
        ] as [(UInt64, UInt32, UInt32, UInt32)]
    )
    func catalogAndExtentsGrowAsInBochs(size: UInt64, catalog: UInt32, bitmap: UInt32, extent: UInt32) throws {
        try scratch.make(ImageCreation(format: .bochs, name: "image", virtualSize: size))
        let header = try scratch.open("image").head
        #expect(try header.littleEndian(UInt32.self, at: 72) == catalog)
        #expect(try header.littleEndian(UInt32.self, at: 76) == bitmap)
        #expect(try header.littleEndian(UInt32.self, at: 80) == extent)
        #expect(try header.littleEndian(UInt64.self, at: 88) == size)
        #expect(try scratch.open("image").size == 512 + UInt64(catalog) * 4)
    }

    @Test(arguments: [1, 5000, (1 << 20) + 1, 9_000_000]) func contentThatIsWrittenQEMUReads(size: Int) throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("Bochs content of \(size) bytes: seed \(seed)")
        var generator = SeededGenerator(seed: seed)
        let content = generator.sparseBytes(count: size)
        try scratch.write(content, to: "raw")
        try scratch.write(content, as: ImageCreation(format: .bochs, name: "image", virtualSize: UInt64(size)))
        try scratch.run("qemu-img", ["compare", "-f", "raw", "-F", "bochs", "raw", "image"])
        #expect(try Array(scratch.content("image")[..<size]) == content)
        #expect(try scratch.check("image").isClean)
    }

    @Test(arguments: [0x10000, 0x20000] as [UInt32], [1, 4, 513] as [UInt32])
    func sectorsAreReadByTheirBits(version: UInt32, bitmapSize: UInt32) throws {
        // QEMU's extents are powers of two.
        let bitmapSize = bitmapSize == 513 ? 1024 : bitmapSize
        let seed = UInt64.random(in: 0...UInt64.max)
        print("Bochs version \(version), bitmaps of \(bitmapSize) bytes: seed \(seed)")
        var generator = SeededGenerator(seed: seed)
        let extentSize = Int(bitmapSize) * 4096
        let size = UInt64(extentSize * 3 + 1536 + 7)
        let extents = [3, 0, 2]
            .map { index in
                (
                    index: index, bits: (0..<bitmapSize).map { _ in UInt8.random(in: 0...255, using: &generator) },
                    data: (0..<extentSize).map { UInt8(truncatingIfNeeded: $0 / 512 + index) }
                )
            }
        try scratch.write(build(version: version, size: size, bitmapSize: bitmapSize, extents: extents), to: "image")
        let content = try scratch.content("image")
        #expect(content.count == extentSize * 3 + 1536)
        #expect(try content == scratch.contentByQEMU("image", "bochs"))
        #expect(content.contains { $0 != 0 })
        #expect(try ImageFormat.bochs.describe(scratch.open("image")).version == (version == 0x10000 ? "1.0" : "2.0"))
        let check = try scratch.check("image")
        #expect(check.isClean && check.allocatedUnits == 3 && check.totalUnits == 4)
    }

    @Test func checkFindsWhatIsWrong() throws {
        let data = [UInt8](repeating: 1, count: 4096)
        var image = build(
            version: 0x20000,
            size: 8 * 4096,
            extents: [(0, [0xFF], data), (1, [0xFF], data), (2, [0xFF], data), (3, [0xFF], data)]
        )
        // Extent 1 shares the place of extent 0, 2 lies outside the file; nothing refers to their places.
        image.store(littleEndian: UInt32(0), at: 512 + 4)
        image.store(littleEndian: UInt32(4), at: 512 + 8)
        try scratch.write(image, to: "image")
        let check = try scratch.check("image")
        #expect(check.corruptionCount == 2 && check.leakCount == 1)
        #expect(check.findings.map(\.kind) == [.corruption, .corruption, .leak])
        #expect(check.findings.first?.offset.bytes == 512 + 8)
        let opened = try scratch.image("image")
        let error = #expect(throws: StorageError.self) { try opened.extent(at: 2 * 4096) }
        #expect(error?.code == .damagedImage)
    }

    @Test func damageIsSaidAndNeverTrappedOn() throws {
        let data = [UInt8](repeating: 1, count: 4096)
        let image = build(
            version: 0x20000,
            size: 20 * 4096,
            extents: [(0, [0x55], data), (1, [0xFF], data), (9, [0x0F], data)]
        )
        try scratch.readDamaged(
            image,
            bytes: Array(0..<24) + Array(32..<100) + Array(512..<556),
            lengths: Array(0..<100) + stride(from: 100, to: image.count, by: 501),
            BochsImage.self
        )
        for (place, value) in [(72, 0x10_0001), (72, 19), (76, 0), (80, 0), (80, 3000), (80, 1 << 24), (68, 0)]
            as [(Int, UInt32)]
        {
            var damaged = image
            damaged.store(littleEndian: value, at: place)
            #expect(try !scratch.readDamaged(damaged, BochsImage.self), "\(value) at \(place)")
        }
        var journal = image
        journal.store(Array("Undoable".utf8), at: 48)
        try scratch.write(journal, to: "journal")
        let error = #expect(throws: StorageError.self) { try ImageFormat.bochs.describe(scratch.open("journal")) }
        #expect(error?.code == .notSupported)
    }

    @Test func whatTheFormatHasNotIsRefused() throws {
        let larger = ImageCreation(format: .bochs, name: "image", virtualSize: (8 << 40) + 1)
        #expect(throws: StorageError.self) { try larger.validate() }
        var creation = ImageCreation(format: .bochs, name: "image", virtualSize: 1 << 20)
        creation.subformat = "undoable"
        #expect(throws: StorageError.self) { try creation.validate() }
        creation.subformat = nil
        creation.backing = ImageDescription.Backing(name: "base")
        #expect(throws: StorageError.self) { try creation.validate() }
    }
}
