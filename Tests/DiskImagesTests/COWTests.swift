import DiskImages
import Foundation
import StorageBase
import Testing

struct COWTests {
    private let scratch = ImageScratch()

    /// How the header lies in the file; built here from the format's description alone.
    enum Layout: CaseIterable {
        case packed
        case aligned
        case version3
    }

    /// An image with some of its sectors; `content` has whole sectors.
    private func build(_ layout: Layout, size: Int, backing: String = "", sectors: [Int], _ content: [UInt8]) -> [UInt8]
    {
        func padded(_ bytes: [UInt8], _ count: Int) -> [UInt8] {
            bytes + [UInt8](repeating: 0, count: count - bytes.count)
        }
        func big(_ value: Int, _ count: Int) -> [UInt8] {
            (0..<count).reversed().map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
        }
        var bytes = Array("OOOM".utf8)
        switch layout {
        case .packed:
            bytes += big(2, 4) + padded(Array(backing.utf8), 1024) + big(0, 4) + big(size, 8) + big(512, 4)
        case .aligned:
            bytes += big(2, 4) + padded(Array(backing.utf8), 1024) + big(0, 4) + big(0, 4) + big(size, 8) + big(512, 4)
            bytes += big(0, 4)
        case .version3:
            bytes += big(3, 4) + big(12345, 4) + big(size, 8) + big(512, 4) + big(4096, 4) + big(0, 4)
            bytes = padded(bytes + Array(backing.utf8), 8192)
        }
        let count = (size + 511) / 512
        var bitmap = [UInt8](repeating: 0, count: (count + 7) / 8)
        for sector in sectors { bitmap[sector / 8] |= 1 << (sector % 8) }
        bytes += bitmap
        guard let last = sectors.max() else { return bytes }
        let alignment = layout == .version3 ? 4096 : 512
        bytes = padded(bytes, (bytes.count + alignment - 1) / alignment * alignment)
        let start = bytes.count
        bytes = padded(bytes, start + (last + 1) * 512)
        for sector in sectors {
            bytes.replaceSubrange(
                start + sector * 512..<start + (sector + 1) * 512,
                with: padded(Array(content[sector * 512..<min(content.count, (sector + 1) * 512)]), 512)
            )
        }
        return bytes
    }

    @Test(arguments: [0, 1, 511, 512, 1 << 20 + 1, 10 << 30], ["", "base.img"])
    func anEmptyImageHasTheBytesOfTheFormat(size: Int, backing: String) throws {
        var creation = ImageCreation(format: .cow, name: "image", virtualSize: UInt64(size))
        if !backing.isEmpty { creation.backing = ImageDescription.Backing(name: backing, format: .raw) }
        try scratch.make(creation)
        let rounded = (size + 511) / 512 * 512
        #expect(try scratch.bytes("image") == build(.packed, size: rounded, backing: backing, sectors: [], []))
        let file = try scratch.open("image")
        #expect(try ImageFormat.probe(file) == .cow)
        let description = try ImageFormat.cow.describe(file)
        #expect(description.virtualSize.bytes == UInt64(rounded))
        #expect(description.version == "2")
        #expect(description.backing == (backing.isEmpty ? nil : ImageDescription.Backing(name: backing)))
        let check = try scratch.check("image")
        #expect(check.isClean && check.allocatedUnits == 0 && check.totalUnits == UInt64(rounded / 512))
        if rounded > 0 {
            let extent = try scratch.image("image").extent(at: 0)
            guard case .unallocated = extent.content else {
                Issue.record("\(extent)")
                return
            }
        }
    }

    @Test(arguments: [1, 4097, 1 << 20 + 1, 3 << 20]) func contentIsWrittenAndReadAsTheFormatHasIt(size: Int) throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("COW content of \(size) bytes: seed \(seed)")
        var generator = SeededGenerator(seed: seed)
        let content = generator.sparseBytes(count: size)
        try scratch.write(content, as: ImageCreation(format: .cow, name: "image", virtualSize: UInt64(size)))
        let rounded = (size + 511) / 512 * 512
        let whole = content + [UInt8](repeating: 0, count: rounded - size)
        #expect(try scratch.content("image") == whole)
        // The writer allocates blocks of 4096 bytes.
        let sectors = (0..<rounded / 512)
            .filter { sector in
                let block = sector / 8 * 4096
                return content[block..<min(size, block + 4096)].contains { $0 != 0 }
            }
        #expect(try scratch.bytes("image") == build(.packed, size: rounded, sectors: sectors, whole))
        let check = try scratch.check("image")
        #expect(check.isClean && check.allocatedUnits == UInt64(sectors.count))
    }

    @Test(arguments: Layout.allCases, [512, 100_000, 5 << 20])
    func eachLayoutIsRead(layout: Layout, size: Int) throws {
        // Only User Mode Linux has a disk that ends within a sector.
        let size = layout == .version3 ? size : size / 512 * 512
        let seed = UInt64.random(in: 0...UInt64.max)
        print("COW \(layout) of \(size) bytes: seed \(seed)")
        var generator = SeededGenerator(seed: seed)
        let sectors = (0..<(size + 511) / 512).filter { _ in Int.random(in: 0..<3, using: &generator) > 0 }
        let content = (0..<size).map { UInt8(truncatingIfNeeded: $0 / 512 + 1) }
        try scratch.write(build(layout, size: size, backing: "/images/base", sectors: sectors, content), to: "image")
        let kept = Set(sectors)
        let expected = content.indices.map { kept.contains($0 / 512) ? content[$0] : 0 }
        #expect(try scratch.content("image") == expected)
        let image = try scratch.image("image")
        #expect(image.description.virtualSize.bytes == UInt64(size))
        #expect(image.description.version == (layout == .version3 ? "3" : "2"))
        #expect(image.description.backing?.name == "/images/base")
        let check = try scratch.check("image")
        #expect(check.isClean && check.allocatedUnits == UInt64(sectors.count))
        var found: [Int] = []
        var offset: UInt64 = 0
        while offset < image.virtualSize {
            let extent = try image.extent(at: offset)
            if case .data = extent.content {
                found += Int(extent.range.lowerBound / 512)..<Int((extent.range.upperBound + 511) / 512)
            }
            offset = extent.range.upperBound
        }
        #expect(found == sectors)
    }

    @Test func largeImagesTakeLittleSpace() throws {
        for size in [2 << 40, (8 << 40) - 6_389_760] as [UInt64] {
            let name = "\(size)"
            try scratch.make(ImageCreation(format: .cow, name: name, virtualSize: size))
            #expect(try ImageFormat.cow.describe(scratch.open(name)).virtualSize.bytes == size)
            #expect(try scratch.open(name).size == 1048 + size / 4096)
            let writer = try ImageCreation(format: .cow, name: "data", virtualSize: size)
                .writer(to: scratch.makeFile("data-\(size)"), makeFile: scratch.makeFile)
            let places = try writer.place(size - (1 << 30)..<size)
            #expect(places.count == 1 && places.first?.range == size - (1 << 30)..<size)
            try writer.finish()
            let extent = try scratch.image("data-\(size)").extent(at: size - 512)
            #expect(extent.range.upperBound == size)
            guard case .data(_, let offset) = extent.content else {
                Issue.record("\(extent)")
                continue
            }
            #expect(offset - extent.range.lowerBound == (1048 + size / 4096 + 511) / 512 * 512)
        }
        let larger = ImageCreation(format: .cow, name: "larger", virtualSize: 8 << 40)
        let error = #expect(throws: StorageError.self) { try larger.validate() }
        #expect(error?.code == .invalidArgument)
    }

    @Test func zerosHideTheBackingFile() throws {
        var creation = ImageCreation(format: .cow, name: "image", virtualSize: 1 << 20)
        creation.backing = ImageDescription.Backing(name: "base.img")
        let writer = try creation.writer(to: scratch.makeFile("image"), makeFile: scratch.makeFile)
        try writer.zero(8192..<65536)
        try writer.finish()
        let image = try scratch.image("image")
        let extent = try image.extent(at: 8192)
        guard case .data = extent.content else {
            Issue.record("\(extent)")
            return
        }
        #expect(extent.range == 8192..<65536)
        #expect(try scratch.content(image, 8192..<65536).allSatisfy { $0 == 0 })
        #expect(try image.extent(at: 0).range == 0..<8192)
        creation.preallocation = .full
        #expect(throws: StorageError.self) { try creation.validate() }
        creation.preallocation = .off
        creation.backing = ImageDescription.Backing(name: String(repeating: "n", count: 1024))
        #expect(throws: StorageError.self) { try creation.validate() }
        creation.backing = nil
        creation.clusterSize = 4096
        #expect(throws: StorageError.self) { try creation.validate() }
    }

    @Test(arguments: [ImageCreation.Preallocation.metadata, .falloc, .full])
    func allSectorsOfAPreallocatedImageHaveAPlace(preallocation: ImageCreation.Preallocation) throws {
        var creation = ImageCreation(format: .cow, name: "image", virtualSize: 3 << 20)
        creation.preallocation = preallocation
        try scratch.make(creation)
        let check = try scratch.check("image")
        #expect(check.isClean && check.allocatedUnits == 6144)
        #expect(try scratch.content("image") == [UInt8](repeating: 0, count: 3 << 20))
        if preallocation != .metadata {
            let status = try FileManager.default.attributesOfItem(atPath: scratch.path("image"))
            #expect(status[.size] as? Int == (1048 + 768 + 511) / 512 * 512 + (3 << 20))
        }
    }

    @Test(arguments: Layout.allCases) func damageIsSaidAndNeverTrappedOn(layout: Layout) throws {
        let size = 100 * 512
        let content = [UInt8](repeating: 7, count: size)
        let image = build(layout, size: size, backing: "base", sectors: [0, 3, 4, 50, 99], content)
        let end = image.count - size
        let fields = layout == .version3 ? 0..<40 : 1028..<1068
        try scratch.readDamaged(
            image,
            bytes: Array(0..<16) + Array(fields) + Array(end - 13..<end),
            lengths: Array(0..<64) + stride(from: 64, to: image.count, by: 97),
            COWImage.self
        )
        // A name that fills its field, and one that is no text.
        let name = layout == .version3 ? 32..<4128 : 8..<1032
        for value in [0x61, 0xFF] as [UInt8] {
            var damaged = image
            damaged.replaceSubrange(
                name.lowerBound..<name.upperBound - (value == 0xFF ? 1 : 0),
                with: [UInt8](repeating: value, count: name.count - (value == 0xFF ? 1 : 0))
            )
            #expect(try !scratch.readDamaged(damaged, COWImage.self))
        }
    }

    @Test func checkFindsSectorsOutsideTheFile() throws {
        let content = [UInt8](repeating: 7, count: 100 * 512)
        let image = build(.packed, size: 100 * 512, sectors: [0, 3, 4, 98, 99], content)
        try scratch.write(Array(image.dropLast(1)), to: "image")
        let check = try scratch.check("image")
        #expect(check.corruptionCount == 1 && check.allocatedUnits == 5)
        #expect(check.findings.first?.message.contains("sectors 98 to 99") == true)
        try scratch.write(Array(image[..<1050]), to: "image")
        #expect(try scratch.check("image").corruptionCount == 1)
        let cut = try scratch.image("image")
        let error = #expect(throws: StorageError.self) { try cut.extent(at: 0) }
        #expect(error?.code == .damagedImage)
    }
}

struct UMLTests {
    private static let isInstalled = FileManager.default.isExecutableFile(atPath: "/usr/bin/uml_mkcow")
    private let scratch = ImageScratch()

    @Test(.enabled(if: isInstalled, "uml-utilities is not installed")) func whatUserModeLinuxMakesIsRead() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("UML: seed \(seed)")
        var generator = SeededGenerator(seed: seed)
        let base = generator.sparseBytes(count: 1 << 20)
        try scratch.write(base, to: "base")
        try scratch.run("uml_mkcow", ["image", "base"])
        let made = try scratch.image("image")
        #expect(made.description.virtualSize.bytes == 1 << 20)
        #expect(made.description.backing?.name.hasSuffix("/base") == true)
        #expect(try scratch.check("image").isClean)
        #expect(try made.extent(at: 0).range == 0..<(1 << 20))
        // A sector that a guest would write: its place follows from ours.
        var bytes = try scratch.bytes("image")
        bytes[8192] |= 4
        bytes.replaceSubrange(12288 + 1024..<12288 + 1536, with: [UInt8](repeating: 9, count: 512))
        try scratch.write(bytes, to: "image")
        let extent = try scratch.image("image").extent(at: 1024)
        guard case .data(_, let offset) = extent.content else {
            Issue.record("\(extent)")
            return
        }
        #expect(extent.range == 1024..<1536 && offset == 12288 + 1024)
        try scratch.run("uml_moo", ["image", "merged"])
        var expected = base
        expected.replaceSubrange(1024..<1536, with: [UInt8](repeating: 9, count: 512))
        #expect(try scratch.bytes("merged") == expected)
    }
}
