import DiskImages
import StorageBase
import Testing

struct CloopTests {
    private let scratch = ImageScratch()

    private static let script = "#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\n"
    private static let tableOffset = 136

    /// An image of whole blocks.
    private func build(_ content: [UInt8], blockSize: Int, script: String = script) throws -> [UInt8] {
        let count = content.count / blockSize
        var bytes = Array(script.utf8) + [UInt8](repeating: 0, count: 128 - script.utf8.count)
        bytes += [UInt8](repeating: 0, count: 8 + (count + 1) * 8)
        bytes.store(bigEndian: UInt32(blockSize), at: 128)
        bytes.store(bigEndian: UInt32(count), at: 132)
        for block in 0...count {
            bytes.store(bigEndian: UInt64(bytes.count), at: Self.tableOffset + block * 8)
            guard block < count else { break }
            let unit = Array(content[block * blockSize..<(block + 1) * blockSize])
            bytes += try #require(Codec.zlib.compress(unit, limit: blockSize * 2))
        }
        return bytes
    }

    @Test(arguments: [(0, 512), (3, 512), (5000, 512), (40, 65536), (3, 1 << 20), (1, 8 << 20)])
    func whatQEMUReadsIsRead(count: Int, blockSize: Int) throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("cloop of \(count) blocks: seed \(seed)")
        var generator = SeededGenerator(seed: seed)
        let content = generator.sparseBytes(count: count * blockSize)
        let bytes = try build(content, blockSize: blockSize)
        try scratch.write(bytes, to: "image")
        let information = try scratch.information("image")
        #expect(information["format"] as? String == "cloop")
        let file = try scratch.open("image")
        #expect(try ImageFormat.probe(file) == .cloop)
        let description = try ImageFormat.cloop.describe(file)
        #expect(information["virtual-size"] as? UInt64 == description.virtualSize.bytes)
        #expect(description.clusterSize?.bytes == UInt64(blockSize) && description.compression == "zlib")
        #expect(try scratch.content("image") == content)
        if count > 0 { #expect(try scratch.contentByQEMU("image", "cloop") == content) }
        let check = try scratch.check("image")
        #expect(check.isClean && check.totalUnits == UInt64(count) && check.endOffset.bytes == UInt64(bytes.count))
    }

    @Test func theScriptMayBeAnother() throws {
        let script = "#!/bin/sh\n#V2.0 Format\ninsmod cloop.o file=$0 && mount -r -t iso9660 /dev/cloop $1\nexit $?\n"
        try scratch.write(build([UInt8](repeating: 3, count: 1024), blockSize: 512, script: script), to: "image")
        #expect(try scratch.content("image") == [UInt8](repeating: 3, count: 1024))
    }

    @Test func checkFindsWhatIsWrong() throws {
        let content = (0..<8 * 4096).map { UInt8(truncatingIfNeeded: $0 / 100) }
        let sound = try build(content, blockSize: 4096)
        // Outside the file, backwards, inside the table, no data at all.
        for (block, offset) in [(3, UInt64.max), (3, UInt64(1 << 40)), (4, 300), (0, 8), (8, 0)] as [(Int, UInt64)] {
            var image = sound
            image.store(bigEndian: offset, at: Self.tableOffset + block * 8)
            try scratch.write(image, to: "image")
            #expect(try scratch.check("image").corruptionCount > 0, "\(offset) for block \(block)")
            #expect(throws: StorageError.self) { try scratch.content("image") }
        }
        var image = sound
        image.store(bigEndian: try sound.bigEndian(UInt64.self, at: Self.tableOffset), at: Self.tableOffset + 8)
        try scratch.write(image, to: "image")
        #expect(try scratch.check("image").corruptionCount == 1)
        // What a block holds is known when it is read.
        image = sound
        image[Int(try sound.bigEndian(UInt64.self, at: Self.tableOffset))] ^= 0xFF
        try scratch.write(image, to: "image")
        #expect(try scratch.check("image").isClean)
        let error = #expect(throws: (any Error).self) { try scratch.content("image") }
        #expect((error as? StorageError)?.code == .damagedImage)
    }

    @Test func damageIsSaidAndNeverTrappedOn() throws {
        let content = (0..<8 * 4096).map { UInt8(truncatingIfNeeded: $0 / 100) }
        let image = try build(content, blockSize: 4096)
        try scratch.readDamaged(
            image,
            bytes: Array(0..<24) + Array(128..<220),
            lengths: 0..<image.count,
            CloopImage.self
        )
        for (place, value) in [(128, 0), (128, 4095), (128, 16 << 20), (132, .max)] as [(Int, UInt32)] {
            var damaged = image
            damaged.store(bigEndian: value, at: place)
            #expect(try !scratch.readDamaged(damaged, CloopImage.self), "\(value) at \(place)")
        }
    }

    @Test func itIsNotMade() throws {
        let creation = ImageCreation(format: .cloop, name: "image", virtualSize: 1 << 20)
        let error = #expect(throws: StorageError.self) { try creation.validate() }
        #expect(error?.code == .notSupported)
    }
}
