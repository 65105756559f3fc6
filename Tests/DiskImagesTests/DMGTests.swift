import DiskImages
import Foundation
import StorageBase
import Testing

struct DMGTests {
    private let scratch = ImageScratch()

    private struct Chunk {
        var type: UInt32
        var sector: Int
        var count: Int
        var data: [UInt8] = []
    }

    private static let zlib: UInt32 = 0x8000_0005
    private static let comment: UInt32 = 0x7FFF_FFFE
    private static let end: UInt32 = 0xFFFF_FFFF

    enum Place: CaseIterable {
        case propertyList
        case resourceFork
    }

    /// An image whose partitions begin at a sector each, and have chunks that count from there.
    private func build(_ partitions: [(first: Int, chunks: [Chunk])], sectorCount: Int, in place: Place) -> [UInt8] {
        var bytes: [UInt8] = []
        var tables: [[UInt8]] = []
        for partition in partitions {
            var table = [UInt8](repeating: 0, count: 204 + partition.chunks.count * 40)
            table.store(Array("mish".utf8), at: 0)
            table.store(bigEndian: UInt32(1), at: 4)
            table.store(bigEndian: UInt64(partition.first), at: 8)
            table.store(bigEndian: UInt64(partition.chunks.map(\.count).reduce(0, +)), at: 16)
            table.store(bigEndian: UInt32(partition.chunks.count), at: 200)
            for (index, chunk) in partition.chunks.enumerated() {
                let entry = 204 + index * 40
                table.store(bigEndian: chunk.type, at: entry)
                table.store(bigEndian: UInt64(chunk.sector), at: entry + 8)
                table.store(bigEndian: UInt64(chunk.count), at: entry + 16)
                table.store(bigEndian: UInt64(bytes.count), at: entry + 24)
                table.store(bigEndian: UInt64(chunk.data.count), at: entry + 32)
                bytes += chunk.data
            }
            tables.append(table)
        }
        let dataLength = bytes.count
        var list: [UInt8] = []
        switch place {
        case .propertyList:
            let elements = tables.enumerated()
                .map { index, table in
                    let text = Data(table)
                        .base64EncodedString(options: [.lineLength76Characters, .endLineWithLineFeed])
                    return """
                        \t\t\t<dict>
                        \t\t\t\t<key>Attributes</key><string>0x0050</string>
                        \t\t\t\t<key>Data</key>
                        \t\t\t\t<data>
                        \(text)
                        \t\t\t\t</data>
                        \t\t\t\t<key>ID</key><string>\(index)</string>
                        \t\t\t</dict>

                        """
                }
            list = Array(
                """
                <?xml version="1.0" encoding="UTF-8"?>
                <plist version="1.0"><dict><key>resource-fork</key><dict><key>blkx</key>
                \t\t<array>
                \(elements.joined())\t\t</array><key>plst</key><array><dict><key>Data</key><data>AAAA</data></dict></array>
                </dict></dict></plist>
                """
                .utf8
            )
        case .resourceFork:
            var resources: [UInt8] = []
            for table in tables + [Array("another".utf8)] {
                var length = [UInt8](repeating: 0, count: 4)
                length.store(bigEndian: UInt32(table.count), at: 0)
                resources += length + table
            }
            list = [UInt8](repeating: 0, count: 256)
            list.store(bigEndian: UInt32(256), at: 0)
            list.store(bigEndian: UInt32(256 + resources.count), at: 4)
            list.store(bigEndian: UInt32(resources.count), at: 8)
            list += resources + [UInt8](repeating: 0, count: 50)
        }
        bytes += list
        var trailer = [UInt8](repeating: 0, count: 512)
        trailer.store(Array("koly".utf8), at: 0)
        trailer.store(bigEndian: UInt32(4), at: 4)
        trailer.store(bigEndian: UInt32(512), at: 8)
        trailer.store(bigEndian: UInt64(dataLength), at: 32)
        trailer.store(bigEndian: UInt64(dataLength), at: place == .resourceFork ? 40 : 216)
        trailer.store(bigEndian: UInt64(list.count), at: place == .resourceFork ? 48 : 224)
        trailer.store(bigEndian: UInt32(1), at: 60)
        trailer.store(bigEndian: UInt64(sectorCount), at: 492)
        return bytes + trailer
    }

    /// Chunks of all kinds that are read, and the content that they stand for.
    private func partition(_ generator: inout SeededGenerator) throws -> (chunks: [Chunk], content: [UInt8]) {
        var chunks: [Chunk] = [Chunk(type: Self.comment, sector: 0, count: 0)]
        var content: [UInt8] = []
        for _ in 0..<Int.random(in: 5...40, using: &generator) {
            let sector = content.count / 512
            let count = Int.random(in: 1...300, using: &generator)
            let type = ([0, 1, 1, 2, Self.zlib, Self.zlib] as [UInt32]).randomElement(using: &generator) ?? 0
            let data =
                type == 0 || type == 2
                ? [UInt8](repeating: 0, count: count * 512) : generator.sparseBytes(count: count * 512)
            let stored =
                switch type {
                case 1: data
                case Self.zlib: try #require(Codec.zlib.compress(data, limit: data.count * 2))
                default: [] as [UInt8]
                }
            chunks.append(Chunk(type: type, sector: sector, count: count, data: stored))
            content += data
        }
        chunks.append(Chunk(type: Self.end, sector: content.count / 512, count: 0))
        return (chunks, content)
    }

    @Test(arguments: Place.allCases, 1...3) func whatQEMUReadsIsRead(place: Place, partitionCount: Int) throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("dmg with a \(place) of \(partitionCount): seed \(seed)")
        var generator = SeededGenerator(seed: seed)
        var content: [UInt8] = []
        var partitions: [(Int, [Chunk])] = []
        for _ in 0..<partitionCount {
            let (chunks, data) = try partition(&generator)
            partitions.append((content.count / 512, chunks))
            content += data
        }
        let bytes = build(partitions, sectorCount: content.count / 512, in: place)
        try scratch.write(bytes, to: "image")
        let file = try scratch.open("image")
        #expect(try ImageFormat.probe(file) == .dmg)
        let description = try ImageFormat.dmg.describe(file)
        // QEMU warns of modules that it misses before its JSON.
        let information = try scratch.run("qemu-img", ["info", "--output=json", "-f", "dmg", "image"])
        #expect(information.contains("\"virtual-size\": \(description.virtualSize.bytes),"), "\(information)")
        #expect(try scratch.content("image") == content)
        #expect(try scratch.contentByQEMU("image", "dmg") == content)
        #expect(try scratch.check("image").isClean)
    }

    @Test func plainChunksThatGoOnAreOneExtent() throws {
        let data = [UInt8](repeating: 5, count: 8 * 512)
        let chunks = [
            Chunk(type: 1, sector: 0, count: 8, data: data), Chunk(type: 1, sector: 8, count: 8, data: data),
            Chunk(type: 0, sector: 16, count: 100), Chunk(type: 2, sector: 116, count: 1 << 32),
        ]
        try scratch.write(build([(0, chunks)], sectorCount: 116 + 1 << 32, in: .propertyList), to: "image")
        let image = try scratch.image("image")
        #expect(try image.extent(at: 100).range == 0..<8192)
        #expect(try image.extent(at: 10000).range == 8192..<image.virtualSize)
        // Side by side on the disk, and the other way round in the file.
        try scratch.write(build([(0, [chunks[1], chunks[0]])], sectorCount: 16, in: .propertyList), to: "image")
        let swapped = try scratch.image("image")
        #expect(try swapped.extent(at: 100).range == 0..<4096)
        #expect(try swapped.extent(at: 5000).range == 4096..<8192)
    }

    @Test(
        arguments: [
            (0x8000_0004, "ADC"), (0x8000_0006, "bzip2"), (0x8000_0007, "LZFSE"), (0x8000_0008, "LZMA"), (77, "0x4d"),
        ] as [(UInt32, String)]
    )
    func chunksOfOtherKindsAreRefusedWhenTheyAreRead(type: UInt32, name: String) throws {
        let chunks = [
            Chunk(type: 0, sector: 0, count: 8),
            Chunk(type: type, sector: 8, count: 8, data: [UInt8](repeating: 1, count: 100)),
        ]
        try scratch.write(build([(0, chunks)], sectorCount: 16, in: .propertyList), to: "image")
        let image = try scratch.image("image")
        #expect(try image.extent(at: 0).range == 0..<4096)
        let error = #expect(throws: StorageError.self) { try image.extent(at: 4096) }
        #expect(error?.code == .notSupported && error?.message.contains(name) == true)
        #expect(try scratch.check("image").isClean)
    }

    @Test func aChunkThatExpandsToTooMuchIsRefused() throws {
        let chunk = Chunk(type: Self.zlib, sector: 0, count: 16385, data: [UInt8](repeating: 1, count: 100))
        try scratch.write(build([(0, [chunk])], sectorCount: 16385, in: .resourceFork), to: "image")
        let image = try scratch.image("image")
        let error = #expect(throws: StorageError.self) { try image.extent(at: 0) }
        #expect(error?.code == .notSupported && error?.message.contains("8 MiB") == true)
    }

    @Test func checkFindsWhatIsWrong() throws {
        func corruptions(_ chunks: [Chunk], sectorCount: Int = 24) throws -> Int {
            try scratch.write(build([(0, chunks)], sectorCount: sectorCount, in: .resourceFork), to: "image")
            return try scratch.check("image").corruptionCount
        }
        let data = [UInt8](repeating: 5, count: 8 * 512)
        let sound = (0..<3).map { Chunk(type: 1, sector: $0 * 8, count: 8, data: data) }
        #expect(try corruptions(sound) == 0)
        // A gap, at the end and in the middle; an overlap; outside the disk; less data than sectors.
        #expect(try corruptions(sound, sectorCount: 25) == 1)
        #expect(try corruptions([sound[0], sound[2]]) == 1)
        let gap = try scratch.image("image")
        #expect(throws: StorageError.self) { try gap.extent(at: 5000) }
        #expect(try corruptions(sound + [Chunk(type: 0, sector: 12, count: 2)]) == 1)
        #expect(try corruptions(sound, sectorCount: 20) == 1)
        var short = sound
        short[1].data = Array(data.dropLast())
        #expect(try corruptions(short) == 1)
        let image = try scratch.image("image")
        #expect(throws: StorageError.self) { try image.extent(at: 5000) }
        var empty = sound
        empty[1] = Chunk(type: Self.zlib, sector: 8, count: 8)
        #expect(try corruptions(empty) == 1)
    }

    @Test(arguments: Place.allCases) func damageIsSaidAndNeverTrappedOn(place: Place) throws {
        let data = (0..<8 * 512).map { UInt8(truncatingIfNeeded: $0 / 100) }
        let compressed = try #require(Codec.zlib.compress(data, limit: 8192))
        let chunks = [
            Chunk(type: 1, sector: 0, count: 8, data: data),
            Chunk(type: Self.zlib, sector: 8, count: 8, data: compressed),
            Chunk(type: 0, sector: 16, count: 8), Chunk(type: Self.end, sector: 24, count: 0),
        ]
        let image = build([(0, chunks)], sectorCount: 24, in: place)
        let table = data.count + compressed.count
        try scratch.readDamaged(
            image,
            bytes: Array(table..<image.count),
            lengths: stride(from: 0, to: image.count, by: 61),
            DMGImage.self
        )
        // The trailer's place is the file's end: the file cut off in the middle keeps it.
        for length in stride(from: 0, to: image.count - 512, by: 61) {
            try scratch.readDamaged(Array(image[..<length] + image.suffix(512)), DMGImage.self)
        }
    }

    @Test func tablesOfGreatLengthAreReadInTimeOrRefused() throws {
        var image = build([(0, [Chunk(type: 0, sector: 0, count: 8)])], sectorCount: 8, in: .propertyList)
        let trailer = Array(image.suffix(512))
        func read(_ list: String) throws -> StorageError? {
            var end = trailer
            end.store(bigEndian: UInt64(0), at: 216)
            end.store(bigEndian: UInt64(list.utf8.count), at: 224)
            image = Array(list.utf8) + end
            try scratch.write(image, to: "image")
            let file = try scratch.open("image")
            return #expect(throws: StorageError.self) { _ = try DMGImage(file, opener: scratch.opener) }
        }
        let start = "<key>blkx</key><array>"
        let clock = ContinuousClock()
        let begin = clock.now
        #expect(
            try read(start + String(repeating: "<data>", count: 500_000) + "</data></array>")?.code == .damagedImage
        )
        #expect(
            try read(start + String(repeating: "<data></data>", count: 250_000) + "</array>")?.code == .damagedImage
        )
        #expect(try read(start + String(repeating: "<array>", count: 500_000))?.code == .damagedImage)
        #expect(try read(String(repeating: "<", count: 3_000_000))?.code == .damagedImage)
        #expect(begin.duration(to: clock.now) < .seconds(60))
        #expect(try read(String(repeating: " ", count: 16 << 20 + 1))?.code == .notSupported)
    }

    @Test(arguments: ["", "=", "A", "AA", "AAA", "AAAA=", "A===", "AA=A", "bWlzaA", "bWlza*==", "bWlzaA=", "bWlzaA==="])
    func whatIsNoBase64IsRefused(text: String) throws {
        let image = build([(0, [Chunk(type: 0, sector: 0, count: 8)])], sectorCount: 8, in: .propertyList)
        let list = "<key>blkx</key><array><data>\(text)</data></array>"
        var end = Array(image.suffix(512))
        end.store(bigEndian: UInt64(0), at: 216)
        end.store(bigEndian: UInt64(list.utf8.count), at: 224)
        #expect(try scratch.readDamaged(Array(list.utf8) + end, DMGImage.self))
        let file = try scratch.open("damaged")
        let error = #expect(throws: StorageError.self) { _ = try DMGImage(file, opener: scratch.opener) }
        #expect(error?.code == .damagedImage)
    }
}
