import DiskImages
import Foundation
import StorageBase
import Testing

struct VPCTests {
    private let scratch = ImageScratch()

    private func creation(_ name: String, _ size: UInt64, _ subformat: String? = nil) -> ImageCreation {
        var creation = ImageCreation(format: .vpc, name: name, virtualSize: size)
        creation.subformat = subformat
        return creation
    }

    /// The complement of the sum of all bytes but the checksum's own.
    private func sealed(_ bytes: [UInt8], checksumAt offset: Int) -> [UInt8] {
        var bytes = bytes
        bytes.store(bigEndian: 0 as UInt32, at: offset)
        bytes.store(bigEndian: ~bytes.reduce(into: 0 as UInt32) { $0 &+= UInt32($1) }, at: offset)
        return bytes
    }

    @Test(
        arguments: [0, 1, 511, (1 << 20) + 1, 10 << 30, 2040 << 30] as [UInt64],
        [nil, "dynamic", "fixed"] as [String?]
    )
    func whatIsMadeQEMUReadsTheSame(size: UInt64, subformat: String?) throws {
        try scratch.make(creation("image", size, subformat))
        let rounded = (size + 511) / 512 * 512
        let image = try scratch.image("image")
        #expect(image.description.format == .vpc)
        #expect(image.description.virtualSize.bytes == rounded)
        #expect(image.description.subformat == subformat ?? "dynamic")
        #expect(image.description.version == "1.0")
        #expect(try scratch.check(image).isClean)
        // QEMU takes the footer of a fixed disk without sectors for the copy of a dynamic disk's.
        if size == 0, subformat == "fixed" { return }
        let information = try scratch.information("image", ["-f", "vpc"])
        #expect(information["virtual-size"] as? UInt64 == rounded)
        #expect(information["cluster-size"] as? UInt64 == image.description.clusterSize?.bytes)
        if size < 1 << 31 {
            try scratch.run("qemu-img", ["create", "-f", "raw", "raw", "\(rounded)"])
            try scratch.run("qemu-img", ["compare", "-f", "raw", "-F", "vpc", "raw", "image"])
        }
    }

    @Test func whatTheFormatCannotDoIsRefused() throws {
        #expect(throws: StorageError.self) { try creation("image", 2040 << 30 + 1).validate() }
        #expect(throws: StorageError.self) { try creation("image", .max).validate() }
        #expect(throws: StorageError.self) { try creation("image", 1 << 20, "sparse").validate() }
        var preallocated = creation("image", 1 << 20)
        preallocated.preallocation = .full
        #expect(throws: StorageError.self) { try preallocated.validate() }
        preallocated.subformat = "fixed"
        try preallocated.validate()
        preallocated.clusterSize = 1 << 20
        #expect(throws: StorageError.self) { try preallocated.validate() }
    }

    @Test(arguments: [ImageCreation.Preallocation.falloc, .full]) func aFixedDiskIsPreallocated(
        preallocation: ImageCreation.Preallocation
    ) throws {
        var creation = creation("image", 1 << 20 + 1, "fixed")
        creation.preallocation = preallocation
        try scratch.make(creation)
        let status = try OpenFile(scratch.path("image"), .readOnly).status()
        #expect(status.size.bytes == 1 << 20 + 512 + 512)
        #expect(status.allocated >= ByteCount(1 << 20))
        #expect(try scratch.information("image", ["-f", "vpc"])["virtual-size"] as? UInt64 == 1 << 20 + 512)
    }

    @Test(
        arguments: ["0", "1", "511", "1048577", "10G", "127G", "128G", "2040G"],
        ["subformat=dynamic", "subformat=fixed", "subformat=dynamic,force_size=on", "subformat=fixed,force_size=on"]
    )
    func whatQEMUMakesReadsTheSame(size: String, options: String) throws {
        try scratch.run("qemu-img", ["create", "-f", "vpc", "-o", options, "image", size])
        let description = try VPCImage.describe(scratch.open("image"))
        #expect(options.contains(try #require(description.subformat)))
        #expect(!description.isCorrupt)
        if size == "0", options.contains("fixed") {
            #expect(description.virtualSize == .zero)
            return
        }
        let information = try scratch.information("image", ["-f", "vpc"])
        #expect(information["virtual-size"] as? UInt64 == description.virtualSize.bytes)
        #expect(information["cluster-size"] as? UInt64 == description.clusterSize?.bytes)
    }

    @Test(arguments: 1...4 as ClosedRange<UInt64>, ["dynamic", "fixed"])
    func contentIsTheSameBothWays(seed: UInt64, subformat: String) throws {
        let disk = SparseDisk(size: 9 << 20 + Int(seed) * 4096 + 512, seed: seed)
        try scratch.write(disk.bytes, to: "raw")
        let options = "subformat=\(subformat)\(seed % 2 == 0 ? ",force_size=on" : "")"
        try scratch.run("qemu-img", ["convert", "-f", "raw", "-O", "vpc", "-o", options, "raw", "theirs"])
        let theirs = try scratch.image("theirs")
        let size = theirs.virtualSize
        #expect(size >= UInt64(disk.bytes.count))
        #expect(try scratch.content(theirs, 0..<size) == disk.resized(to: Int(size)), "seed \(seed)")
        #expect(try scratch.check(theirs).isClean)
        try scratch.write(disk, as: creation("ours", UInt64(disk.bytes.count), subformat))
        try scratch.run("qemu-img", ["compare", "-f", "raw", "-F", "vpc", "raw", "ours"], expecting: [0])
        let ours = try scratch.image("ours")
        #expect(try scratch.content(ours, 0..<ours.virtualSize) == disk.bytes, "seed \(seed)")
        let check = try scratch.check(ours)
        #expect(check.isClean)
        if subformat == "dynamic" {
            #expect(check.totalUnits == 5)
            #expect(check.endOffset.bytes == (try scratch.size("ours")) - 512)
        }
    }

    /// Sizes in sectors: within a block, the table's last sector, and beyond it.
    @Test(
        arguments: [9001, 18432, 20000, 300_000, 524_288, 524_289, 2_000_000, 4096, 1, 0],
        ["dynamic", "fixed"]
    )
    func resizedImagesReadTheSame(sectors: Int, subformat: String) throws {
        let disk = SparseDisk(size: 9000 * 512, seed: 9)
        try scratch.write(disk, as: creation("image", 9000 * 512, subformat))
        let size = sectors * 512
        // What a guest has not seen must not appear: something is behind the disk's end.
        let image = try scratch.image("image")
        let holdsData =
            subformat == "dynamic"
            && disk.bytes[min((size + (2 << 20) - 1) / (2 << 20) * (2 << 20), 9000 * 512)...]
                .contains { $0 != 0 }
        if holdsData {
            #expect(throws: StorageError.self) { try scratch.resize("image", to: UInt64(size)) }
            #expect(try scratch.content(image, 0..<image.virtualSize) == disk.bytes)
            return
        }
        try scratch.resize("image", to: UInt64(size))
        try expect("image", disk.resized(to: min(size, 16 << 20)), size: size)
        // And back: what was cut is gone.
        try scratch.resize("image", to: 9000 * 512)
        try expect("image", Array(disk.bytes.prefix(size)) + [UInt8](repeating: 0, count: max(0, 9000 * 512 - size)))
    }

    private func expect(_ name: String, _ bytes: [UInt8], size: Int? = nil) throws {
        let image = try scratch.image(name)
        #expect(image.virtualSize == UInt64(size ?? bytes.count))
        #expect(!image.description.isCorrupt)
        #expect(try scratch.check(image).isClean)
        #expect(try scratch.content(image, 0..<UInt64(bytes.count)) == bytes)
        if bytes.isEmpty, image.description.subformat == "fixed" { return }
        try scratch.write(bytes, to: "raw")
        try scratch.setSize("raw", to: UInt64(size ?? bytes.count))
        try scratch.run("qemu-img", ["compare", "-f", "raw", "-F", "vpc", "raw", name])
    }

    @Test func aResizedDiskIsWrittenToByQEMU() throws {
        let disk = SparseDisk(size: 4 << 20, seed: 3)
        try scratch.write(disk, as: creation("image", 4 << 20))
        try scratch.resize("image", to: 3 << 30)
        try scratch.run("qemu-io", ["-f", "vpc", "-c", "write -P 7 2G 4k", "-c", "write -P 8 3221221376 4k", "image"])
        let image = try scratch.image("image")
        #expect(try scratch.content(image, 2 << 30..<2 << 30 + 4096) == [UInt8](repeating: 7, count: 4096))
        #expect(try scratch.content(image, 3 << 30 - 4096..<3 << 30) == [UInt8](repeating: 8, count: 4096))
        #expect(try scratch.content(image, 0..<4 << 20) == disk.bytes)
        #expect(try scratch.check(image).isClean)
    }

    @Test func aFixedDiskOfQEMUKeepsItsContentWhenItGrowsWithinItsFile() throws {
        // Its geometry amounts to less than its file has.
        try scratch.run("qemu-img", ["create", "-f", "vpc", "-o", "subformat=fixed", "image", "1M"])
        var footer = try scratch.read("image", at: scratch.size("image") - 512, count: 512)
        let size = try VPCImage.describe(scratch.open("image")).virtualSize.bytes
        footer.store(bigEndian: UInt16(1), at: 56)
        footer = sealed(footer, checksumAt: 64)
        try scratch.overwrite("image", footer, at: size)
        try scratch.overwrite("image", [UInt8](repeating: 5, count: 4096), at: size - 8192)
        let small = try VPCImage.describe(scratch.open("image")).virtualSize.bytes
        #expect(small < size - 8192)
        try scratch.resize("image", to: size)
        try expect("image", [UInt8](repeating: 0, count: Int(size)))
        try scratch.resize("image", to: size + 1)
        try expect("image", [UInt8](repeating: 0, count: Int(size) + 512))
    }

    @Test func aResizeThatCannotBeIsRefused() throws {
        try scratch.make(creation("image", 1 << 20))
        #expect(throws: StorageError.self) { try scratch.resize("image", to: 2040 << 30 + 1) }
        // In saved state, and with a damaged footer at the end.
        var footer = try scratch.read("image", at: 0, count: 512)
        let end = try scratch.size("image") - 512
        footer[84] = 1
        footer = sealed(footer, checksumAt: 64)
        for offset in [0, end] { try scratch.overwrite("image", footer, at: offset) }
        #expect(try scratch.image("image").description.features == ["saved state"])
        #expect(throws: StorageError.self) { try scratch.resize("image", to: 2 << 20) }
        footer[84] = 0
        footer = sealed(footer, checksumAt: 64)
        try scratch.overwrite("image", footer, at: 0)
        try scratch.overwrite("image", [0], at: end)
        #expect(throws: StorageError.self) { try scratch.resize("image", to: 2 << 20) }
    }

    @Test func theOtherFooterIsUsedWhereOneIsDamaged() throws {
        let disk = SparseDisk(size: 5 << 20, seed: 5)
        try scratch.write(disk, as: creation("image", 5 << 20))
        let end = try scratch.size("image") - 512
        for offset in [end + 70, 70] {
            let kept = try scratch.read("image", at: offset, count: 1)
            try scratch.overwrite("image", [~kept[0]], at: offset)
            let image = try scratch.image("image")
            #expect(image.description.isCorrupt)
            #expect(try scratch.check(image).corruptionCount == 1)
            #expect(try scratch.content(image, 0..<image.virtualSize) == disk.bytes)
            try scratch.overwrite("image", kept, at: offset)
        }
        // The beginning is gone: the end tells the format.
        try scratch.overwrite("image", [UInt8](repeating: 0, count: 512), at: 0)
        #expect(try ImageFormat.probe(scratch.open("image")) == .vpc)
        #expect(try scratch.content(scratch.image("image"), 0..<5 << 20) == disk.bytes)
        try scratch.overwrite("image", [1], at: end + 70)
        #expect(throws: StorageError.self) { try VPCImage.describe(scratch.open("image")) }
    }

    @Test func aGuestsFooterIsNotAFixedDisksOwn() throws {
        try scratch.make(creation("dynamic", 1 << 20))
        try scratch.make(creation("fixed", 1 << 20, "fixed"))
        try scratch.overwrite("fixed", scratch.read("dynamic", at: 0, count: 4096), at: 0)
        let image = try scratch.image("fixed")
        #expect(image.description.subformat == "fixed")
        #expect(try scratch.content(image, 0..<2048) == scratch.read("dynamic", at: 0, count: 2048))
    }

    @Test func anInterruptedResizeReadsAsBeforeOrAsAfter() throws {
        let disk = SparseDisk(size: 4 << 20, seed: 31)
        for subformat in ["dynamic", "fixed"] {
            for size in [5 << 20, 40 << 30] as [UInt64] {
                let before = "before-\(subformat)-\(size)"
                let after = "after-\(subformat)-\(size)"
                try scratch.write(disk, as: creation(before, 4 << 20, subformat))
                try scratch.run("cp", [before, after])
                try scratch.resize(after, to: size)
                let old = try scratch.size(before)
                let new = try scratch.size(after)
                // The table and a footer, the header, the footers; or the new footer, and zeros instead of the old one.
                let steps =
                    subformat == "fixed"
                    ? [size..<new, 4 << 20..<old]
                    : [old..<new, 512..<1536, new - 512..<new, 0..<512].filter { !$0.isEmpty }
                try scratch.interrupt(before, after, steps) { name in
                    // A footer of one sector is written whole, or not at all.
                    if subformat == "fixed", try scratch.size(name) % 512 != 0 { return }
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
            try scratch.write(disk, as: creation(subformat, UInt64(disk.bytes.count), subformat))
            let size = try scratch.size(subformat)
            let image = try #require(scratch.image(subformat, writable: true) as? any ResizableImage)
            let cancellation = Cancellation()
            cancellation.cancel()
            if subformat == "dynamic" {
                #expect(throws: StorageError.self) { try image.resize(to: 10 << 30, cancellation: cancellation) }
            }
            #expect(try scratch.size(subformat) == size)
            try expect(subformat, disk.bytes)
        }
    }

    @Test func aDifferencingDiskHasItsOwnSectorsAndItsParents() throws {
        let disk = SparseDisk(size: 6 << 20, seed: 10, longestHole: 0)
        try scratch.write(disk, as: creation("child", 6 << 20))
        let end = try scratch.size("child") - 512
        for offset in [0, end] {
            var footer = try scratch.read("child", at: offset, count: 512)
            footer.store(bigEndian: UInt32(4), at: 60)
            try scratch.overwrite("child", sealed(footer, checksumAt: 64), at: offset)
        }
        var header = try scratch.read("child", at: 512, count: 1024)
        for (index, unit) in "päre😀nt.vhd".utf16.enumerated() { header.store(bigEndian: unit, at: 64 + index * 2) }
        try scratch.overwrite("child", sealed(header, checksumAt: 36), at: 512)
        #expect(try VPCImage.describe(scratch.open("child")).backing?.name == "päre😀nt.vhd")
        // The path relative to the image comes first; it lies behind the table here.
        let path = Array("..\\base\\parent.vhd".utf16).flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
        try scratch.overwrite("child", path, at: 1536 + 256)
        header.store("W2ru".utf8, at: 576)
        header.store(bigEndian: UInt32(512), at: 580)
        header.store(bigEndian: UInt32(path.count), at: 584)
        header.store(bigEndian: UInt64(1536 + 256), at: 592)
        try scratch.overwrite("child", sealed(header, checksumAt: 36), at: 512)
        let place = try UInt64(scratch.read("child", at: 1536, count: 4).bigEndian(UInt32.self, at: 0)) * 512
        // Sectors 3 to 9 of the first block, and the last one, are the parent's.
        var bitmap = [UInt8](repeating: 0xFF, count: 512)
        bitmap[0] = 0b1110_0000
        bitmap[1] = 0b0011_1111
        bitmap[511] = 0xFE
        try scratch.overwrite("child", bitmap, at: place)
        let image = try scratch.image("child")
        #expect(image.description.subformat == "differencing")
        #expect(image.description.backing == ImageDescription.Backing(name: "../base/parent.vhd", format: .vpc))
        func isOwn(_ sector: UInt64) throws -> Bool {
            let extent = try image.extent(at: sector * 512)
            try #require(extent.range.contains(sector * 512))
            if case .data = extent.content { return true }
            return false
        }
        for sector in 0..<20 as Range<UInt64> { #expect(try isOwn(sector) == !(3...9).contains(sector)) }
        #expect(try image.extent(at: 1024).range == 0..<1536 || image.extent(at: 1024).range == 1024..<1536)
        #expect(try isOwn(4094))
        #expect(try !isOwn(4095))
        #expect(throws: StorageError.self) { try scratch.resize("child", to: 8 << 20) }
        // Half of a surrogate pair is no text.
        try scratch.overwrite("child", [0x00, 0xD8], at: 1536 + 256)
        #expect(throws: StorageError.self) { try VPCImage.describe(scratch.open("child")) }
    }

    @Test func aTruncatedImageIsDamaged() throws {
        let disk = SparseDisk(size: 5 << 20, seed: 7)
        try scratch.write(disk, as: creation("whole", 5 << 20))
        let size = try scratch.size("whole")
        let lengths = [
            0, 1, 8, 511, 512, 513, 600, 1023, 1024, 1535, 1536, 1537, 2047, 2048, 2560, 4096, 1 << 20, size - 513,
            size - 512, size - 1,
        ]
        for length in lengths {
            try? FileManager.default.removeItem(atPath: scratch.path("image"))
            try FileManager.default.copyItem(atPath: scratch.path("whole"), toPath: scratch.path("image"))
            try scratch.setSize("image", to: length)
            try scratch.probe(VPCImage.self, "image")
            if length >= 2048 {
                let check = try scratch.check(VPCImage(scratch.open("image"), opener: scratch.opener))
                #expect(check.corruptionCount >= 1, "\(length)")
            }
        }
    }

    @Test func anyByteOfTheHeadersMayBeWrong() throws {
        try scratch.make(creation("image", 5 << 20))
        let head = try scratch.read("image", at: 0, count: 2048)
        let end = try scratch.size("image") - 512
        for offset in 0..<1600 where !(600..<1500).contains(offset) {
            for value: UInt8 in [0, 0xFF, 0x80] where head[offset] != value {
                var changed = head
                changed[offset] = value
                try scratch.overwrite("image", changed, at: 0)
                try scratch.probe(VPCImage.self, "image")
                // And with the right checksum, at both ends.
                let footer = sealed(Array(changed[..<512]), checksumAt: 64)
                try scratch.overwrite("image", footer, at: 0)
                try scratch.overwrite("image", footer, at: end)
                try scratch.overwrite("image", sealed(Array(changed[512..<1536]), checksumAt: 36), at: 512)
                try scratch.probe(VPCImage.self, "image")
                try scratch.overwrite("image", Array(head[..<512]), at: end)
            }
        }
    }

    @Test func theCheckFindsWhatIsWrongWithTheTable() throws {
        let disk = SparseDisk(size: 8 << 20, seed: 8, longestHole: 0)
        try scratch.write(disk, as: creation("image", 8 << 20))
        let table = try scratch.read("image", at: 1536, count: 16)
        #expect(try scratch.check(scratch.image("image")).allocatedUnits == 4)
        func findings(_ entry: UInt32) throws -> (corruptions: Int, leaks: Int) {
            var changed = table
            changed.store(bigEndian: entry, at: 4)
            try scratch.overwrite("image", changed, at: 1536)
            let check = try scratch.check(scratch.image("image"))
            return (check.corruptionCount, check.leakCount)
        }
        let first = try table.bigEndian(UInt32.self, at: 0)
        #expect(try findings(first) == (1, 1))
        // A sector less than a block is left behind it.
        #expect(try findings(first + 1) == (1, 0))
        #expect(try findings(0) == (1, 1))
        #expect(try findings(2) == (1, 1))
        #expect(try findings(1 << 31) == (1, 1))
        #expect(throws: StorageError.self) { try scratch.image("image").extent(at: 2 << 20) }
        // The block is given up, and its room is left.
        #expect(try findings(.max) == (0, 1))
    }
}
