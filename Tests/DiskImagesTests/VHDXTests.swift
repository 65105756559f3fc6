import DiskImages
import Foundation
import StorageBase
import Testing

struct VHDXTests {
    private let scratch = ImageScratch()
    private static let mebibyte: UInt64 = 1 << 20

    private func creation(_ name: String, _ size: UInt64, _ subformat: String? = nil, _ blockSize: UInt64? = nil)
        -> ImageCreation
    {
        var creation = ImageCreation(format: .vhdx, name: name, virtualSize: size)
        creation.subformat = subformat
        creation.clusterSize = blockSize
        return creation
    }

    /// With the CRC-32C at its fourth byte, bit by bit.
    private func sealed(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        bytes.store(littleEndian: 0 as UInt32, at: 4)
        var value = UInt32.max
        for byte in bytes {
            value ^= UInt32(byte)
            for _ in 0..<8 { value = value & 1 == 0 ? value >> 1 : value >> 1 ^ 0x82F6_3B78 }
        }
        bytes.store(littleEndian: ~value, at: 4)
        return bytes
    }

    @Test(
        arguments: [0, 1, 511, (1 << 20) + 1, 10 << 30, 2 << 40, 64 << 40] as [UInt64],
        [nil, "dynamic", "fixed"] as [String?]
    )
    func whatIsMadeQEMUHoldsForSound(size: UInt64, subformat: String?) throws {
        // A fixed disk has an entry for each block, and a file as large: 8 TiB is what all file systems take.
        if subformat == "fixed", size > 8 << 40 { return }
        for blockSize in [nil, 1 << 20, 256 << 20] as [UInt64?] {
            if blockSize == 1 << 20, subformat == "fixed", size > 1 << 36 { continue }
            let name = "image-\(blockSize ?? 0)"
            try scratch.make(creation(name, size, subformat, blockSize))
            let rounded = (size + 511) / 512 * 512
            let image = try scratch.image(name)
            #expect(image.description.virtualSize.bytes == rounded)
            #expect(image.description.subformat == subformat ?? "dynamic")
            #expect(image.description.version == "1")
            #expect(!image.description.isDirty && !image.description.isCorrupt)
            if size < 1 << 40 { #expect(try scratch.check(image).isClean) }
            // QEMU can read none of its own that are so.
            if size == 0, blockSize == 256 << 20 { continue }
            let information = try scratch.information(name)
            #expect(information["format"] as? String == "vhdx")
            #expect(information["virtual-size"] as? UInt64 == rounded)
            #expect(information["cluster-size"] as? UInt64 == image.description.clusterSize?.bytes)
            try scratch.run("qemu-img", ["check", "-f", "vhdx", name])
            if blockSize == nil {
                try scratch.run("qemu-img", ["create", "-f", "vhdx", "theirs", "\(size)"])
                let theirs = try scratch.information("theirs")
                #expect(information["cluster-size"] as? UInt64 == theirs["cluster-size"] as? UInt64)
                #expect(information["virtual-size"] as? UInt64 == theirs["virtual-size"] as? UInt64)
            }
        }
    }

    @Test func whatTheFormatCannotDoIsRefused() throws {
        #expect(throws: StorageError.self) { try creation("image", 64 << 40 + 1).validate() }
        for blockSize in [0, 1, 512 << 10, 3 << 20, 512 << 20, .max] as [UInt64] {
            #expect(throws: StorageError.self) { try creation("image", 1 << 20, nil, blockSize).validate() }
        }
        #expect(throws: StorageError.self) { try creation("image", 1 << 20, "differencing").validate() }
        var preallocated = creation("image", 1 << 20)
        preallocated.preallocation = .falloc
        #expect(throws: StorageError.self) { try preallocated.validate() }
        preallocated.subformat = "fixed"
        try preallocated.validate()
    }

    @Test(arguments: [ImageCreation.Preallocation.falloc, .full]) func aFixedDiskIsPreallocated(
        preallocation: ImageCreation.Preallocation
    ) throws {
        var creation = creation("image", 3 << 20 + 1, "fixed", 1 << 20)
        creation.preallocation = preallocation
        try scratch.make(creation)
        let status = try OpenFile(scratch.path("image"), .readOnly).status()
        #expect(status.allocated >= ByteCount(3 << 20))
        try scratch.run("qemu-img", ["check", "-f", "vhdx", "image"])
        let check = try scratch.check(scratch.image("image"))
        #expect(check.isClean && check.allocatedUnits == 4 && check.totalUnits == 4)
    }

    @Test(
        arguments: ["0", "1", "511", "1048577", "10G", "2T", "64T"],
        [
            "subformat=dynamic", "subformat=dynamic,block_state_zero=off",
            "subformat=dynamic,block_size=1M,log_size=4M", "subformat=fixed",
        ]
    )
    func whatQEMUMakesReadsTheSame(size: String, options: String) throws {
        if options.contains("fixed"), size.hasSuffix("T") { return }
        if options.contains("1M"), size == "64T" { return }
        try scratch.run("qemu-img", ["create", "-f", "vhdx", "-o", options, "image", size])
        let image = try scratch.image("image")
        let information = try scratch.information("image")
        #expect(information["virtual-size"] as? UInt64 == image.virtualSize)
        #expect(information["cluster-size"] as? UInt64 == image.description.clusterSize?.bytes)
        #expect(options.contains(try #require(image.description.subformat)))
        let check = try scratch.check(image)
        #expect(check.isClean, "\(check.findings)")
    }

    @Test(arguments: 1...4 as ClosedRange<UInt64>, ["dynamic", "fixed"])
    func contentIsTheSameBothWays(seed: UInt64, subformat: String) throws {
        let disk = SparseDisk(size: 9 << 20 + Int(seed) * 4096 + 512, seed: seed)
        try scratch.write(disk.bytes, to: "raw")
        let options = "subformat=\(subformat),block_size=\(seed % 2 + 1)M"
        try scratch.run("qemu-img", ["convert", "-f", "raw", "-O", "vhdx", "-o", options, "raw", "theirs"])
        let theirs = try scratch.image("theirs")
        #expect(try scratch.content(theirs, 0..<theirs.virtualSize) == disk.bytes, "seed \(seed)")
        #expect(try scratch.check(theirs).isClean)
        try scratch.write(
            disk,
            as: creation("ours", UInt64(disk.bytes.count), subformat, seed % 2 == 0 ? nil : 1 << 20)
        )
        try scratch.run("qemu-img", ["compare", "-f", "raw", "-F", "vhdx", "raw", "ours"])
        try scratch.run("qemu-img", ["check", "-f", "vhdx", "ours"])
        let ours = try scratch.image("ours")
        #expect(try scratch.content(ours, 0..<ours.virtualSize) == disk.bytes, "seed \(seed)")
        let check = try scratch.check(ours)
        #expect(check.isClean)
        #expect(check.endOffset.bytes == (try scratch.size("ours")))
    }

    @Test func contentBeyondAChunkIsFound() throws {
        // A chunk is 4 GiB; behind its entries is that of a sector bitmap.
        try scratch.make(creation("image", 9 << 30, nil, 1 << 20))
        try scratch.run(
            "qemu-io",
            [
                "-f", "vhdx", "-c", "write -P 7 4294963200 8k", "-c", "write -P 8 8G 1M", "-c",
                "write -P 9 9663672320 4k", "image",
            ]
        )
        let image = try scratch.image("image")
        #expect(try scratch.content(image, 4_294_963_200..<4_294_971_392) == [UInt8](repeating: 7, count: 8192))
        #expect(try scratch.content(image, 8 << 30..<8 << 30 + 4096) == [UInt8](repeating: 8, count: 4096))
        #expect(try scratch.content(image, 9 << 30 - 4096..<9 << 30) == [UInt8](repeating: 9, count: 4096))
        #expect(try scratch.check(image).isClean)
        #expect(try scratch.check(image).allocatedUnits == 4)
    }

    @Test(arguments: [9001, 18432, 20000, 300_000, 2_000_000, 4096, 1, 0], ["dynamic", "fixed"])
    func resizedImagesReadTheSame(sectors: Int, subformat: String) throws {
        let disk = SparseDisk(size: 9000 * 512, seed: 9)
        try scratch.write(disk, as: creation("image", 9000 * 512, subformat, 1 << 20))
        let size = sectors * 512
        let kept = min((size + (1 << 20) - 1) / (1 << 20) * (1 << 20), 9000 * 512)
        if subformat == "fixed" ? kept < 9000 * 512 : disk.bytes[kept...].contains(where: { $0 != 0 }) {
            #expect(throws: StorageError.self) { try scratch.resize("image", to: UInt64(size)) }
            try expect("image", disk.bytes)
            return
        }
        try scratch.resize("image", to: UInt64(size))
        try expect("image", disk.resized(to: min(size, 16 << 20)), size: size)
        if subformat == "fixed", sectors > 9000 { return }
        try scratch.resize("image", to: 9000 * 512)
        try expect("image", Array(disk.bytes.prefix(size)) + [UInt8](repeating: 0, count: max(0, 9000 * 512 - size)))
    }

    private func expect(_ name: String, _ bytes: [UInt8], size: Int? = nil) throws {
        let image = try scratch.image(name)
        #expect(image.virtualSize == UInt64(size ?? bytes.count))
        #expect(!image.description.isCorrupt)
        #expect(try scratch.check(image).isClean)
        #expect(try scratch.content(image, 0..<UInt64(bytes.count)) == bytes)
        try scratch.run("qemu-img", ["check", "-f", "vhdx", name], expecting: bytes.isEmpty ? [0, 1] : [0])
        if bytes.isEmpty { return }
        try scratch.write(bytes, to: "raw")
        try scratch.setSize("raw", to: UInt64(size ?? bytes.count))
        try scratch.run("qemu-img", ["compare", "-f", "raw", "-F", "vhdx", "raw", name])
    }

    @Test func aTableThatIsFullMovesWhenTheDiskGrows() throws {
        let disk = SparseDisk(size: 5 << 20 + 512, seed: 4)
        for subformat in ["dynamic", "fixed"] {
            let name = "image-\(subformat)"
            try scratch.write(disk, as: creation(name, UInt64(disk.bytes.count), subformat, 1 << 20))
            try scratch.resize(name, to: 300 << 30)
            let image = try scratch.image(name)
            #expect(image.virtualSize == 300 << 30)
            #expect(!image.description.isCorrupt)
            #expect(try scratch.content(image, 0..<8 << 20) == disk.resized(to: 8 << 20))
            let check = try scratch.check(image)
            #expect(check.isClean, "\(check.findings)")
            try scratch.run(
                "qemu-io",
                ["-f", "vhdx", "-c", "write -P 7 200G 4k", "-c", "write -P 8 322122543104 4k", name]
            )
            try scratch.run("qemu-img", ["check", "-f", "vhdx", name])
            let written = try scratch.image(name)
            #expect(try scratch.content(written, 200 << 30..<200 << 30 + 4096) == [UInt8](repeating: 7, count: 4096))
            #expect(try scratch.content(written, 300 << 30 - 4096..<300 << 30) == [UInt8](repeating: 8, count: 4096))
            #expect(try scratch.content(written, 0..<8 << 20) == disk.resized(to: 8 << 20))
            #expect(try scratch.check(written).isClean)
        }
    }

    @Test func aFixedDiskOfQEMUWhoseLastBlockIsShortGrows() throws {
        let disk = SparseDisk(size: 9 << 20 + 512, seed: 2)
        try scratch.write(disk.bytes, to: "raw")
        try scratch.run("qemu-img", ["convert", "-f", "raw", "-O", "vhdx", "-o", "subformat=fixed", "raw", "image"])
        try scratch.resize("image", to: 30 << 20)
        try expect("image", disk.resized(to: 30 << 20))
    }

    @Test func theOtherHeaderOrTableIsUsedWhereOneIsDamaged() throws {
        let disk = SparseDisk(size: 5 << 20, seed: 5)
        try scratch.write(disk, as: creation("image", 5 << 20, nil, 1 << 20))
        for offset in [65536 + 20, 131072 + 20, 196608 + 20, 262144 + 20] as [UInt64] {
            let kept = try scratch.read("image", at: offset, count: 1)
            try scratch.overwrite("image", [~kept[0]], at: offset)
            let image = try scratch.image("image")
            #expect(image.description.isCorrupt)
            #expect(try scratch.check(image).corruptionCount == 1)
            #expect(try scratch.content(image, 0..<5 << 20) == disk.bytes)
            #expect(throws: StorageError.self) { try scratch.resize("image", to: 8 << 20) }
            try scratch.overwrite("image", kept, at: offset)
        }
        for offsets in [[65536, 131072], [196608, 262144]] as [[UInt64]] {
            let kept = try scratch.read("image", at: offsets[0], count: 65536)
            let others = try scratch.read("image", at: offsets[1], count: 65536)
            for offset in offsets { try scratch.overwrite("image", [0xFF], at: offset + 100) }
            #expect(throws: StorageError.self) { try VHDXImage.describe(scratch.open("image")) }
            try scratch.overwrite("image", kept, at: offsets[0])
            try scratch.overwrite("image", others, at: offsets[1])
        }
        #expect(!(try scratch.image("image").description.isCorrupt))
    }

    @Test func anInterruptedResizeReadsAsBeforeOrAsAfter() throws {
        let disk = SparseDisk(size: 4 << 20, seed: 31)
        for subformat in ["dynamic", "fixed"] {
            for size in [7 << 20, 200 << 30] as [UInt64] {
                let before = "before-\(subformat)-\(size)"
                let after = "after-\(subformat)-\(size)"
                try scratch.write(disk, as: creation(before, 4 << 20, subformat, 1 << 20))
                try scratch.run("cp", [before, after])
                try scratch.resize(after, to: size)
                let old = try scratch.size(before)
                let end = try scratch.size(after)
                let steps: [Range<UInt64>] = [
                    65536..<69632, 131072..<135168, old..<min(end, old + 4 << 20), 3 << 20..<4 << 20, 262144..<327680,
                    196608..<262144, 2 << 20 + 65536..<2 << 20 + 65536 + 512,
                ]
                try scratch.interrupt(before, after, steps.filter { !$0.isEmpty }) { name in
                    let image = try scratch.image(name)
                    #expect([4 << 20, size].contains(image.virtualSize))
                    #expect(try scratch.content(image, 0..<4 << 20) == disk.bytes)
                }
            }
        }
    }

    @Test func aCancelledResizeChangesNothing() throws {
        let disk = SparseDisk(size: 4 << 20 + 512, seed: 32, longestHole: 0)
        for subformat in ["dynamic", "fixed"] {
            try scratch.write(disk, as: creation(subformat, UInt64(disk.bytes.count), subformat, 1 << 20))
            let size = try scratch.size(subformat)
            let image = try #require(scratch.image(subformat, writable: true) as? any ResizableImage)
            let cancellation = Cancellation()
            cancellation.cancel()
            let error = #expect(throws: StorageError.self) {
                try image.resize(to: 200 << 30, cancellation: cancellation)
            }
            #expect(error?.code == .cancelled)
            #expect(try scratch.size(subformat) == size)
            try expect(subformat, disk.bytes)
        }
    }

    // MARK: The log

    private let logGUID = (1...16).map { UInt8($0) }

    /// An entry of a log with the sectors that it puts elsewhere, and a range that it makes zeros.
    private func entry(
        _ number: UInt64,
        tail: UInt32,
        fileSize: UInt64,
        _ sectors: [(UInt64, [UInt8])],
        zeros: Range<UInt64>? = nil
    )
        -> [UInt8]
    {
        var head = [UInt8](repeating: 0, count: 4096)
        var data: [UInt8] = []
        head.store("loge".utf8, at: 0)
        head.store(littleEndian: UInt32(4096 * (1 + sectors.count)), at: 8)
        head.store(littleEndian: tail, at: 12)
        head.store(littleEndian: number, at: 16)
        head.store(littleEndian: UInt32(sectors.count + (zeros == nil ? 0 : 1)), at: 24)
        head.store(logGUID, at: 32)
        head.store(littleEndian: fileSize, at: 48)
        head.store(littleEndian: fileSize, at: 56)
        var descriptor = 64
        if let zeros {
            head.store("zero".utf8, at: descriptor)
            head.store(littleEndian: zeros.upperBound - zeros.lowerBound, at: descriptor + 8)
            head.store(littleEndian: zeros.lowerBound, at: descriptor + 16)
            head.store(littleEndian: number, at: descriptor + 24)
            descriptor += 32
        }
        for (offset, bytes) in sectors {
            head.store("desc".utf8, at: descriptor)
            head.store(bytes[4092...], at: descriptor + 4)
            head.store(bytes[..<8], at: descriptor + 8)
            head.store(littleEndian: offset, at: descriptor + 16)
            head.store(littleEndian: number, at: descriptor + 24)
            descriptor += 32
            var sector = bytes
            sector.store("data".utf8, at: 0)
            sector.store(littleEndian: UInt32(number >> 32), at: 4)
            sector.store(littleEndian: UInt32(truncatingIfNeeded: number), at: 4092)
            data += sector
        }
        return sealed(head + data)
    }

    /// An image whose size and table are changed by its log alone.
    private func makeDirty(_ name: String, disk: SparseDisk, at position: UInt64 = 0, tail: UInt32? = nil) throws {
        try scratch.write(disk, as: creation(name, UInt64(disk.bytes.count), nil, 1 << 20))
        let fileSize = try scratch.size(name)
        var items = try scratch.read(name, at: 2 << 20 + 65536, count: 4096)
        items.store(littleEndian: UInt64(disk.bytes.count) + 8192, at: 8)
        var table = try scratch.read(name, at: 3 << 20, count: 4096)
        // The first two blocks change places.
        table = Array(table[8..<16] + table[..<8] + table[16...])
        let first = entry(5, tail: UInt32(position), fileSize: fileSize, [(2 << 20 + 65536, items)])
        let second = entry(
            6,
            tail: tail ?? UInt32(position),
            fileSize: fileSize,
            [(3 << 20, table)],
            zeros: 3 << 20..<3 << 20 + 8192
        )
        // The log is a ring.
        for (index, sector) in stride(from: 0, to: first.count + second.count, by: 4096).enumerated() {
            let bytes = Array((first + second)[sector..<sector + 4096])
            try scratch.overwrite(name, bytes, at: 1 << 20 + (position + UInt64(index) * 4096) % (1 << 20))
        }
        for offset in [65536, 131072] as [UInt64] {
            var header = try scratch.read(name, at: offset, count: 4096)
            header.store(logGUID, at: 48)
            try scratch.overwrite(name, sealed(header), at: offset)
        }
    }

    @Test(arguments: [0, 40960, (1 << 20) - 4096, (1 << 20) - 8192] as [UInt64])
    func aLogIsReplayedInMemory(position: UInt64) throws {
        let disk = SparseDisk(size: 4 << 20, seed: 21, longestHole: 100)
        try makeDirty("image", disk: disk, at: position)
        let image = try scratch.image("image")
        #expect(image.description.isDirty)
        #expect(image.virtualSize == 4 << 20 + 8192)
        #expect(throws: StorageError.self) { try scratch.resize("image", to: 8 << 20) }
        let size = 1 << 20
        let expected = disk.bytes[size..<2 * size] + disk.bytes[..<size] + disk.bytes[(2 * size)...]
        let content = try scratch.content(image, 0..<image.virtualSize)
        #expect(content == Array(expected) + [UInt8](repeating: 0, count: 8192))
        #expect(try scratch.check(image).isClean)
        // As QEMU replays it, but for one that goes on at the log's beginning: it does not look where a sequence begins.
        if position >= 1 << 20 - 8192 { return }
        try scratch.run("qemu-img", ["check", "-f", "vhdx", "-r", "all", "image"])
        let replayed = try scratch.image("image")
        #expect(!replayed.description.isDirty)
        #expect(replayed.virtualSize == 4 << 20 + 8192)
        #expect(try scratch.content(replayed, 0..<replayed.virtualSize) == content)
    }

    @Test func aLogThatIsCutIsDamage() throws {
        let disk = SparseDisk(size: 4 << 20, seed: 21, longestHole: 100)
        try makeDirty("cut", disk: disk, at: 8192, tail: 4096)
        #expect(throws: StorageError.self) { try scratch.image("cut") }
        // The second entry is not whole: the first one counts.
        try makeDirty("torn", disk: disk)
        try scratch.overwrite("torn", [0x55], at: 1 << 20 + 8192 + 5000)
        let image = try scratch.image("torn")
        #expect(image.virtualSize == 4 << 20 + 8192)
        #expect(try scratch.content(image, 0..<4 << 20) == disk.bytes)
        // Neither is: the log is of an earlier time.
        try scratch.overwrite("torn", [0x55], at: 1 << 20 + 5000)
        #expect(try scratch.image("torn").virtualSize == 4 << 20)
        // The file was longer when the log was written.
        try makeDirty("truncated", disk: disk)
        try scratch.setSize("truncated", to: scratch.size("truncated") - 512)
        #expect(throws: StorageError.self) { try scratch.image("truncated") }
    }

    @Test func aLogOfOverlappingEntriesIsNoWork() throws {
        let disk = SparseDisk(size: 4 << 20, seed: 21, longestHole: 100)
        try makeDirty("image", disk: disk)
        // Each sector claims to be an entry as long as the log.
        var head = [UInt8](repeating: 0, count: 4096)
        head.store("loge".utf8, at: 0)
        head.store(littleEndian: UInt32(1 << 20), at: 8)
        head.store(littleEndian: UInt64(1), at: 16)
        head.store(logGUID, at: 32)
        for sector in 0..<256 as Range<UInt64> { try scratch.overwrite("image", head, at: 1 << 20 + sector * 4096) }
        let error = #expect(throws: StorageError.self) { try scratch.image("image") }
        #expect(error?.code == .damagedImage)
    }

    @Test func anyFieldOfALogMayBeWrong() throws {
        let seed = UInt64.random(in: 0 ... .max)
        print("anyFieldOfALogMayBeWrong: seed \(seed)")
        var generator = SparseDisk.Generator(seed: seed)
        try makeDirty("image", disk: SparseDisk(size: 4 << 20, seed: 21, longestHole: 100))
        let log = try scratch.read("image", at: 1 << 20, count: 16384)
        // Of the entry, its descriptors, and its sector of data.
        let fields = [8, 12, 16, 24, 48, 56, 64, 68, 72, 80, 88, 96, 104, 112, 120, 4096, 4100]
        let values: [UInt64] = [
            0, 1, 5, 6, 7, 127, 4096, 8192, 12288, 1 << 20, 2 << 20, 3 << 20, 0xFFFF_F000, 0xFFFF_FFFF, 1 << 32,
            1 << 63,
            .max - 4095, .max,
        ]
        for _ in 0..<300 {
            var entries = [Array(log[..<8192]), Array(log[8192...])]
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                let field = try #require(fields.randomElement(using: &generator))
                let value = try #require(values.randomElement(using: &generator))
                entries[Int.random(in: 0...1, using: &generator)].store(littleEndian: value, at: field)
            }
            try scratch.overwrite("image", entries.flatMap(sealed), at: 1 << 20)
            try scratch.probe(VHDXImage.self, "image")
        }
    }

    // MARK: Differencing disks

    @Test func aDifferencingDiskHasItsOwnSectorsAndItsParents() throws {
        let disk = SparseDisk(size: 3 << 20, seed: 21, longestHole: 100)
        try scratch.write(disk, as: creation("child", 3 << 20, nil, 1 << 20))
        let metadata: UInt64 = 2 << 20
        // It has a parent; the locator is the sixth item.
        try scratch.overwrite("child", [2], at: metadata + 65536 + 4)
        try scratch.overwrite("child", [6], at: metadata + 10)
        func utf16(_ text: String) -> [UInt8] { text.utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] } }
        let texts = ["parent_linkage", "{83ed0ec3-24c8-49a6-a959-5e4bf1288bfb}", "relative_path", "..\\bäse.vhdx"]
        var locator = [UInt8](repeating: 0, count: 20 + 24)
        locator.store(littleEndian: UInt16(2), at: 18)
        for (index, text) in texts.enumerated() {
            let entry = 20 + index / 2 * 12
            locator.store(littleEndian: UInt32(locator.count), at: entry + index % 2 * 4)
            locator.store(littleEndian: UInt16(utf16(text).count), at: entry + 8 + index % 2 * 2)
            locator += utf16(text)
        }
        var item: [UInt8] = [
            0x2D, 0x5F, 0xD3, 0xA8, 0x0B, 0xB3, 0x4D, 0x45, 0xAB, 0xF7, 0xD3, 0xD8, 0x48, 0x34, 0xAB, 0x0C,
        ]
        item += [UInt8](repeating: 0, count: 16)
        item.store(littleEndian: UInt32(70000), at: 16)
        item.store(littleEndian: UInt32(locator.count), at: 20)
        item.store(littleEndian: UInt32(4), at: 24)
        try scratch.overwrite("child", item, at: metadata + 32 + 5 * 32)
        try scratch.overwrite("child", locator, at: metadata + 70000)
        // The first block is partial, the second one the parent's, the third one zeros.
        let table: UInt64 = 3 << 20
        var entries = try scratch.read("child", at: table, count: 24)
        entries[0] = 7
        entries.store(littleEndian: UInt64(0), at: 8)
        entries.store(littleEndian: UInt64(2), at: 16)
        try scratch.overwrite("child", entries, at: table)
        let bitmap = try scratch.size("child")
        var entry = [UInt8](repeating: 0, count: 8)
        entry.store(littleEndian: bitmap | 6, at: 0)
        try scratch.overwrite("child", entry, at: table + 4096 * 8)
        try scratch.setSize("child", to: bitmap + 1 << 20)
        // The first ten sectors but for the second one, and the last one of the block.
        try scratch.overwrite("child", [0b1111_1101, 0b11], at: bitmap)
        try scratch.overwrite("child", [0b1000_0000], at: bitmap + 255)

        let image = try scratch.image("child")
        #expect(image.description.subformat == "differencing")
        #expect(image.description.backing == ImageDescription.Backing(name: "../bäse.vhdx", format: .vhdx))
        func kind(_ sector: UInt64) throws -> String {
            let extent = try image.extent(at: sector * 512)
            try #require(extent.range.contains(sector * 512))
            return switch extent.content {
            case .data: "own"
            case .zero: "zero"
            case .unallocated: "parent"
            case .compressed: "compressed"
            }
        }
        for sector in [0, 2, 9, 2047] as [UInt64] { #expect(try kind(sector) == "own") }
        for sector in [1, 10, 2046, 2048, 4095] as [UInt64] { #expect(try kind(sector) == "parent") }
        for sector in [4096, 6143] as [UInt64] { #expect(try kind(sector) == "zero") }
        #expect(try image.extent(at: 10 * 512).range == 10 * 512..<2047 * 512)
        let check = try scratch.check(image)
        #expect(check.corruptionCount == 0, "\(check.findings)")
        #expect(throws: StorageError.self) { try scratch.resize("child", to: 8 << 20) }
        // Half of a surrogate pair is no text.
        try scratch.overwrite("child", [0x00, 0xD8], at: metadata + 70000 + UInt64(locator.count) - 24)
        #expect(throws: StorageError.self) { try VHDXImage.describe(scratch.open("child")) }
    }

    // MARK: Damage

    @Test func aTruncatedImageIsDamaged() throws {
        let disk = SparseDisk(size: 5 << 20, seed: 7)
        try scratch.write(disk, as: creation("image", 5 << 20, nil, 1 << 20))
        let size = try scratch.size("image")
        let lengths: [UInt64] = [
            size - 1, size - 512, size - (1 << 20), 5 << 20, 4 << 20, 3 << 20 + 4096, 3 << 20, 2 << 20 + 65600,
            2 << 20 + 65536,
            2 << 20 + 32, 2 << 20, 1 << 20, 327_680, 262_145, 262_144, 196_609, 135_168, 131_073, 69632, 65537, 4096,
            520, 8, 7, 0,
        ]
        for length in lengths {
            try scratch.setSize("image", to: length)
            try scratch.probe(VHDXImage.self, "image")
            if length > 3 << 20 {
                #expect(try scratch.check(scratch.image("image")).corruptionCount >= 1, "\(length)")
            } else {
                #expect(throws: StorageError.self) {
                    try scratch.check(VHDXImage(scratch.open("image"), opener: scratch.opener))
                }
            }
        }
    }

    @Test func anyByteOfTheStructuresMayBeWrong() throws {
        try scratch.make(creation("image", 5 << 20, nil, 1 << 20))
        let places: [(offset: UInt64, count: Int, sealedCount: Int)] = [
            (0, 10, 0), (65536, 90, 4096), (131072, 90, 4096), (196608, 90, 65536), (2 << 20, 32 + 5 * 32, 0),
            (2 << 20 + 65536, 44, 0), (3 << 20, 48, 0),
        ]
        for place in places {
            let kept = try scratch.read("image", at: place.offset, count: max(place.count, place.sealedCount))
            for index in 0..<place.count {
                for value: UInt8 in [0, 0xFF] where kept[index] != value {
                    try scratch.overwrite("image", [value], at: place.offset + UInt64(index))
                    try scratch.probe(VHDXImage.self, "image")
                    if place.sealedCount == 4096 {
                        // With the right checksum.
                        var changed = kept
                        changed[index] = value
                        try scratch.overwrite("image", sealed(changed), at: place.offset)
                        try scratch.probe(VHDXImage.self, "image")
                        try scratch.overwrite("image", kept, at: place.offset)
                    }
                    try scratch.overwrite("image", [kept[index]], at: place.offset + UInt64(index))
                }
            }
        }
        #expect(!(try scratch.image("image").description.isCorrupt))
    }

    @Test func aRegionTableWithTheRightChecksumMayBeWrong() throws {
        try scratch.make(creation("image", 5 << 20, nil, 1 << 20))
        let table = try scratch.read("image", at: 196608, count: 65536)
        let values: [(Int, [UInt8])] = [
            (8, [0xFF, 0xFF]), (8, [1]), (8, [0]), (16, [1]), (32, [0xFF]), (32, [0, 0, 0, 0]), (39, [0xFF]),
            (34, [0x10]),
            (40, [0xFF, 0xFF, 0xFF, 0xFF]), (40, [0, 0, 0, 0]), (48, [1]), (64, [0, 0, 0x30]), (71, [0x7F]),
            (72, [0, 0, 0, 0xF0]),
        ]
        for (offset, bytes) in values {
            var changed = table
            changed.store(bytes, at: offset)
            for copy in [196608, 262144] as [UInt64] { try scratch.overwrite("image", sealed(changed), at: copy) }
            try scratch.probe(VHDXImage.self, "image")
            #expect(throws: StorageError.self, "\(offset) \(bytes)") {
                try scratch.check(scratch.image("image"))
            }
        }
    }

    @Test func theCheckFindsWhatIsWrongWithTheTable() throws {
        let disk = SparseDisk(size: 5 << 20, seed: 12, longestHole: 0)
        try scratch.write(disk, as: creation("image", 5 << 20, nil, 1 << 20))
        let table = try scratch.read("image", at: 3 << 20, count: 16)
        let first = try table.littleEndian(UInt64.self, at: 0)
        let second = try table.littleEndian(UInt64.self, at: 8)
        try #require(first & 7 == 6 && second & 7 == 6)
        func findings(_ entry: UInt64) throws -> (corruptions: Int, leaks: Int) {
            var changed = table
            changed.store(littleEndian: entry, at: 8)
            try scratch.overwrite("image", changed, at: 3 << 20)
            let check = try scratch.check(scratch.image("image"))
            return (check.corruptionCount, check.leakCount)
        }
        #expect(try findings(second) == (0, 0))
        #expect(try findings(first) == (1, 1))
        #expect(try findings(6) == (1, 1))
        #expect(try findings(2 << 20 | 6) == (1, 1))
        #expect(try findings(3 << 20 | 6) == (1, 1))
        #expect(try findings(~0 << 20 | 6) == (1, 1))
        #expect(throws: StorageError.self) { try scratch.image("image").extent(at: 1 << 20) }
        #expect(try findings(second | 7) == (1, 1))
        #expect(try findings(second & ~7 | 4) == (1, 1))
        #expect(try findings(0) == (0, 1))
    }
}
