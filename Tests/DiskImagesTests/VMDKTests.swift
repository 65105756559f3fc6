import DiskImages
import Foundation
import StorageBase
import Testing

struct VMDKTests {
    private let scratch = ImageScratch()

    private static let subformats = ["monolithicSparse", "monolithicFlat", "streamOptimized"]

    // MARK: Made here, read by QEMU

    @Test(arguments: [1, 511, (1 << 20) + 1, 10 << 30, 2 << 40] as [UInt64], subformats)
    func whatIsMadeQEMUHoldsForSound(size: UInt64, subformat: String) throws {
        var creation = ImageCreation(format: .vmdk, name: "disk.vmdk", virtualSize: size)
        creation.subformat = subformat
        try scratch.make(creation)
        try scratch.run("qemu-img", ["check", "-f", "vmdk", "disk.vmdk"])
        let information = try scratch.information("disk.vmdk")
        let description = try VMDKImage.describe(scratch.open("disk.vmdk"))
        try expect(description, sameAs: information)
        #expect(description.virtualSize.bytes == (size + 511) / 512 * 512)
        #expect(description.subformat == subformat)
        let image = try scratch.image("disk.vmdk")
        #expect(try isZero(image))
        let check = try report(of: image)
        #expect(check.isClean, "\(check.findings)")
        #expect(check.allocatedUnits == 0)
    }

    @Test(arguments: subformats)
    func whatIsWrittenQEMUReads(subformat: String) throws {
        for size in [1, 512, 65536, 65536 * 3 + 512, (32 << 20) + 1536, (96 << 20) + 65536] as [UInt64] {
            var random = PatternGenerator()
            let pattern = random.pattern(size: size)
            try write(pattern, to: "disk.raw", size: size)
            var creation = ImageCreation(format: .vmdk, name: "disk.vmdk", virtualSize: size)
            creation.subformat = subformat
            let size = (size + 511) / 512 * 512
            try fill(creation, pattern, size)
            try scratch.run("qemu-img", ["check", "-f", "vmdk", "disk.vmdk"])
            try scratch.run("qemu-img", ["compare", "-f", "raw", "-F", "vmdk", "disk.raw", "disk.vmdk"])
            let image = try scratch.image("disk.vmdk")
            #expect(try scratch.content(image, 0..<size) == expected(pattern, size), "seed \(random.seed)")
            let check = try report(of: image)
            #expect(check.isClean, "\(check.findings)")
            if subformat != "monolithicFlat" {
                #expect(check.allocatedUnits == UInt64(units(pattern).count))
            }
            try remove("disk.vmdk", "disk-flat.vmdk")
        }
    }

    @Test func whatIsMadeOverABackingFileQEMUReads() throws {
        let size: UInt64 = 40 << 20
        var random = PatternGenerator()
        let base = random.pattern(size: size)
        var creation = ImageCreation(format: .vmdk, name: "base.vmdk", virtualSize: size)
        try fill(creation, base, size)
        let pattern = random.pattern(size: size)
        creation.name = "disk.vmdk"
        creation.backing = ImageDescription.Backing(name: "base.vmdk", format: .vmdk)
        #expect(throws: StorageError.self) { try scratch.make(creation) }
        try remove("disk.vmdk")
        creation.backingFile = try scratch.open("base.vmdk")
        let zeros: Range<UInt64> = 8 << 20..<36 << 20
        let kept = pattern.filter { !zeros.overlaps($0.offset..<$0.offset + UInt64($0.bytes.count)) }
        try fill(creation, kept, size, zeros: zeros)
        // A grain of the overlay hides the whole grain below.
        let overlay = units(kept)
        let hidden =
            overlay.map { ($0 * 65536, [UInt8](repeating: 0, count: 65536)) }
            + [(zeros.lowerBound, [UInt8](repeating: 0, count: zeros.count))]
        try write(base + hidden + kept, to: "disk.raw", size: size)
        try scratch.run("qemu-img", ["check", "-f", "vmdk", "disk.vmdk"])
        try scratch.run("qemu-img", ["compare", "-f", "raw", "-F", "vmdk", "disk.raw", "disk.vmdk"])
        let information = try scratch.information("disk.vmdk")
        #expect(information["backing-filename"] as? String == "base.vmdk")
        let image = try scratch.image("disk.vmdk")
        #expect(image.description.backing == ImageDescription.Backing(name: "base.vmdk", format: .vmdk))
        #expect(image.description.version == "2")
        guard case .zero = try image.extent(at: zeros.lowerBound).content else {
            Issue.record("\(try image.extent(at: zeros.lowerBound)), seed \(random.seed)")
            return
        }
        // QEMU writes what we made, and reads it.
        try scratch.run("qemu-io", ["-f", "vmdk", "-c", "write -P 7 33M 128k", "disk.vmdk"])
        try scratch.run("qemu-io", ["-f", "vmdk", "-c", "read -P 7 33M 128k", "-c", "read -P 0 34M 1M", "disk.vmdk"])
        let check = try report(of: scratch.image("disk.vmdk"))
        #expect(check.isClean, "\(check.findings)")
    }

    @Test func qemuWritesIntoWhatIsMade() throws {
        try scratch.make(ImageCreation(format: .vmdk, name: "disk.vmdk", virtualSize: 3 << 30))
        try scratch.run(
            "qemu-io",
            [
                "-f", "vmdk", "-c", "write -P 5 1G 256k", "-c", "write -P 6 3071M 1M", "-c", "write -P 1 0 512",
                "disk.vmdk",
            ]
        )
        try scratch.run("qemu-img", ["check", "-f", "vmdk", "disk.vmdk"])
        let image = try scratch.image("disk.vmdk")
        #expect(try scratch.content(image, 1 << 30..<(1 << 30) + 4096) == [UInt8](repeating: 5, count: 4096))
        #expect(try scratch.content(image, (3 << 30) - 4096..<3 << 30) == [UInt8](repeating: 6, count: 4096))
        let check = try report(of: image)
        #expect(check.isClean, "\(check.findings)")
        #expect(check.allocatedUnits == 4 + 16 + 1)
    }

    @Test(arguments: ImageCreation.Preallocation.allCases)
    func preallocation(_ preallocation: ImageCreation.Preallocation) throws {
        var creation = ImageCreation(format: .vmdk, name: "disk.vmdk", virtualSize: 1 << 20)
        creation.subformat = "monolithicFlat"
        creation.preallocation = preallocation
        guard preallocation != .metadata else {
            #expect(throws: StorageError.self) { try creation.validate() }
            return
        }
        try scratch.make(creation)
        try scratch.run("qemu-img", ["check", "-f", "vmdk", "disk.vmdk"])
        let blocks = try #require(try scratch.information("disk.vmdk")["actual-size"] as? Int)
        #expect((blocks >= 1 << 20) == (preallocation != .off))
    }

    @Test func whatTheFormatCannotIsRefused() throws {
        func refuses(_ code: StorageError.Code, _ change: (inout ImageCreation) -> Void) {
            var creation = ImageCreation(format: .vmdk, name: "disk.vmdk", virtualSize: 1 << 20)
            change(&creation)
            let error = #expect(throws: StorageError.self) { try creation.validate() }
            #expect(error?.code == code, "\(String(describing: error))")
        }
        refuses(.invalidArgument) { $0.virtualSize = 0 }
        refuses(.invalidArgument) { $0.virtualSize = 2 << 40 + 1 }
        refuses(.invalidArgument) { $0.virtualSize = .max }
        refuses(.invalidArgument) { ($0.virtualSize, $0.subformat) = (1 << 63, "monolithicFlat") }
        refuses(.invalidArgument) { $0.subformat = "vmfs" }
        refuses(.notSupported) { $0.clusterSize = 65536 }
        refuses(.notSupported) { $0.preallocation = .full }
        refuses(.notSupported) { $0.compression = .zlib }
        refuses(.notSupported) { ($0.compression, $0.subformat) = (.zstd, "streamOptimized") }
        refuses(.notSupported) { ($0.backing, $0.subformat) = (.init(name: "base.vmdk"), "monolithicFlat") }
        refuses(.notSupported) { ($0.backing, $0.subformat) = (.init(name: "base.vmdk"), "streamOptimized") }
        refuses(.invalidArgument) { $0.backing = .init(name: "base.qcow2", format: .qcow2) }
        refuses(.invalidName) { $0.backing = .init(name: "a\"b.vmdk") }
        refuses(.invalidName) {
            $0.subformat = "monolithicFlat"
            $0.name = "a\nRW 1 FLAT \"/etc/passwd\" 0"
        }
    }

    // MARK: Made by QEMU, read here

    static let options = [
        "subformat=monolithicSparse", "subformat=monolithicSparse,zeroed_grain=on",
        "subformat=monolithicSparse,compat6=on",
        "subformat=monolithicFlat,adapter_type=lsilogic", "subformat=twoGbMaxExtentSparse",
        "subformat=twoGbMaxExtentFlat",
        "subformat=streamOptimized", "subformat=twoGbMaxExtentSparse,zeroed_grain=on",
    ]

    @Test(arguments: options, [1, 511, (1 << 20) + 1, 10 << 30, 2 << 40] as [UInt64])
    func whatQEMUMakesIsReadTheSame(options: String, size: UInt64) throws {
        // A thousand extents are enough for any test.
        if options.contains("twoGb"), size > 1 << 36 { return }
        try scratch.run("qemu-img", ["create", "-q", "-f", "vmdk", "-o", options, "disk.vmdk", "\(size)"])
        let image = try scratch.image("disk.vmdk")
        try expect(image.description, sameAs: scratch.information("disk.vmdk"))
        #expect(try isZero(image))
        let check = try report(of: image)
        #expect(check.isClean, "\(check.findings)")
    }

    @Test(arguments: options)
    func whatQEMUConvertsIsReadTheSame(options: String) throws {
        // Into the third extent of 2 GiB, where there are several.
        for size in [512, 65536 + 512, (33 << 20) + 1024, 5 << 30] as [UInt64] {
            var random = PatternGenerator()
            let pattern = random.pattern(size: size)
            try write(pattern, to: "disk.raw", size: size)
            try scratch.run("qemu-img", ["convert", "-f", "raw", "-O", "vmdk", "-o", options, "disk.raw", "disk.vmdk"])
            let image = try scratch.image("disk.vmdk")
            try expect(image.description, sameAs: scratch.information("disk.vmdk"))
            if size < 1 << 30 {
                #expect(try scratch.content(image, 0..<size) == expected(pattern, size), "seed \(random.seed)")
            }
            for piece in pattern {
                let range = piece.offset..<piece.offset + UInt64(piece.bytes.count)
                #expect(try scratch.content(image, range) == piece.bytes, "seed \(random.seed)")
            }
            let check = try report(of: image)
            #expect(check.isClean, "\(check.findings), seed \(random.seed)")
            try scratch.run("sh", ["-c", "rm disk*"])
        }
    }

    @Test func extentsAreThoseOfQEMU() throws {
        let size: UInt64 = 100 << 20
        var random = PatternGenerator()
        try write(random.pattern(size: size), to: "disk.raw", size: size)
        try scratch.run("qemu-img", ["convert", "-f", "raw", "-O", "vmdk", "disk.raw", "disk.vmdk"])
        let text = try scratch.run("qemu-img", ["map", "--output=json", "disk.vmdk"])
        let image = try scratch.image("disk.vmdk")
        let map = try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]])
        for entry in map {
            let start = try #require(entry["start"] as? UInt64)
            let length = try #require(entry["length"] as? UInt64)
            var position = start
            while position < start + length {
                let extent = try image.extent(at: position)
                switch extent.content {
                case .data(_, let offset):
                    #expect(entry["data"] as? Bool == true)
                    let place = offset + position - extent.range.lowerBound
                    #expect(entry["offset"] as? UInt64 == place - (position - start), "seed \(random.seed)")
                default: #expect(entry["data"] as? Bool == false, "seed \(random.seed)")
                }
                position = min(extent.range.upperBound, start + length)
            }
        }
    }

    @Test func zeroedGrainsHideTheBackingFile() throws {
        try scratch.run("qemu-img", ["create", "-q", "-f", "vmdk", "base.vmdk", "4M"])
        try scratch.run("qemu-io", ["-c", "write -P 9 0 4M", "base.vmdk"])
        try scratch.run(
            "qemu-img",
            ["create", "-q", "-f", "vmdk", "-o", "zeroed_grain=on", "-b", "base.vmdk", "-F", "vmdk", "disk.vmdk"]
        )
        try scratch.run("qemu-io", ["-c", "write -z 1M 1M", "-c", "write -P 3 3M 64k", "disk.vmdk"])
        let image = try scratch.image("disk.vmdk")
        try expect(image.description, sameAs: scratch.information("disk.vmdk"))
        #expect(image.description.features.contains("zeroed_grain"))
        let kinds = try stride(from: UInt64(0), to: 4 << 20, by: 1 << 20).map { try kind(image.extent(at: $0)) }
        #expect(kinds == ["unallocated", "zero", "unallocated", "data"])
        #expect(try image.extent(at: 1 << 20).range == 1 << 20..<2 << 20)
    }

    // MARK: Descriptors

    @Test func descriptorsOfOtherProgramsAreRead() throws {
        try scratch.write([UInt8](repeating: 1, count: 1024), to: "first part=1.vmdk")
        try scratch.write([UInt8](repeating: 2, count: 2048), to: "second.vmdk")
        let text = """
            # Disk DescriptorFile\r
            version=3\r
            encoding="windows-1252"\r
            CID=fffffffe\r
            parentCID=ffffffff\r
            isNativeSnapshot="no"\r
            createType="twoGbMaxExtentFlat"\r
            \r
            # Extent description\r
            RW 2 FLAT "first part=1.vmdk" 0\r
              RDONLY\t1  ZERO \r
            RW 2 FLAT "second.vmdk" 2\r
            NOACCESS 4 FLAT "none.vmdk" 0\r
            # Change Tracking File\r
            changeTrackPath="second-ctk.vmdk"\r
            """
        try scratch.write(Array(text.utf8), to: "disk.vmdk")
        let image = try scratch.image("disk.vmdk")
        #expect(image.virtualSize == 9 * 512)
        #expect(image.description.version == "3")
        #expect(image.description.dataFiles == ["first part=1.vmdk", "second.vmdk", "none.vmdk"])
        let content = try scratch.content(image, 0..<5 * 512)
        #expect(content == [1, 1, 0, 2, 2].flatMap { [UInt8](repeating: $0, count: 512) })
        #expect(throws: StorageError.self) { try image.extent(at: 5 * 512) }
    }

    @Test func aFlatImageOfESXIsRead() throws {
        try scratch.write([UInt8](repeating: 3, count: 4096), to: "disk-flat.vmdk")
        let text = """
            # Disk DescriptorFile
            version=1
            CID=0000cafe
            parentCID=ffffffff
            createType="vmfs"
            # Extent description
            RW 8 VMFS "disk-flat.vmdk"

            """
        try scratch.write(Array(text.utf8), to: "disk.vmdk")
        let image = try scratch.image("disk.vmdk")
        try expect(image.description, sameAs: scratch.information("disk.vmdk"))
        #expect(try scratch.content(image, 0..<4096) == [UInt8](repeating: 3, count: 4096))
        try resize("disk.vmdk", to: 8192)
        try scratch.run("qemu-io", ["-f", "vmdk", "-c", "read -P 3 0 4k", "-c", "read -P 0 4k 4k", "disk.vmdk"])
    }

    @Test func aDescriptorCanStandInAnExtentOfNoSize() throws {
        try scratch.run(
            "qemu-img",
            ["create", "-q", "-f", "vmdk", "-o", "subformat=monolithicFlat", "disk.vmdk", "1M"]
        )
        try scratch.run("qemu-io", ["-f", "vmdk", "-c", "write -P 3 64k 64k", "disk.vmdk"])
        let text = try Data(contentsOf: URL(fileURLWithPath: scratch.path("disk.vmdk")))
        try scratch.run("qemu-img", ["create", "-q", "-f", "vmdk", "empty.vmdk", "1M"])
        var bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: scratch.path("empty.vmdk"))))
        bytes.store(littleEndian: UInt64(0), at: 12)
        bytes.store([UInt8](repeating: 0, count: 10240), at: 512)
        bytes.store(text, at: 512)
        try scratch.write(bytes, to: "empty.vmdk")
        let image = try scratch.image("empty.vmdk")
        try expect(image.description, sameAs: scratch.information("empty.vmdk"))
        #expect(try scratch.content(image, 65536..<131072) == [UInt8](repeating: 3, count: 65536))
        #expect(throws: StorageError.self) { try image.resizable.validateResize(to: 2 << 20) }
    }

    @Test func anEmptyDiskIsReadAndGrows() throws {
        // QEMU makes one, and cannot open it.
        let arguments = ["create", "-q", "-f", "vmdk", "disk.vmdk", "0"]
        try scratch.run("qemu-img", arguments)
        let image = try scratch.image("disk.vmdk")
        #expect(image.virtualSize == 0)
        let check = try report(of: image)
        #expect(check.isClean, "\(check.findings)")
        try resize("disk.vmdk", to: 1 << 20)
        try scratch.run("qemu-io", ["-f", "vmdk", "-c", "write -P 3 64k 64k", "disk.vmdk"])
        try scratch.run("qemu-img", ["check", "-f", "vmdk", "disk.vmdk"])
        let content = try scratch.content(scratch.image("disk.vmdk"), 0..<1 << 20)
        #expect(content[65536..<131072].allSatisfy { $0 == 3 })
        #expect(content[..<65536].allSatisfy { $0 == 0 } && content[131072...].allSatisfy { $0 == 0 })
    }

    @Test(arguments: [
        "createType=\"x\"", "CID=1\nparentCID=2", "CID=xyz\nparentCID=2\ncreateType=\"x\"",
        "CID=1\nparentCID=2\ncreateType=\"monolithicFlat\"\nRW",
        "CID=1\nparentCID=2\ncreateType=\"monolithicFlat\"\nRW -1 ZERO",
        "CID=1\nparentCID=2\ncreateType=\"monolithicFlat\"\nRW 1 FLAT",
        "CID=1\nparentCID=2\ncreateType=\"monolithicFlat\"\nRW 1 FLAT \"x",
        "CID=1\nparentCID=2\ncreateType=\"monolithicFlat\"\nRW 1 FLAT \"x\" y",
        "CID=1\nparentCID=2\ncreateType=\"monolithicFlat\"\nRW 18446744073709551615 ZERO",
        "CID=1\nparentCID=2\ncreateType=\"monolithicFlat\"\nRW 18446744073709551616 ZERO",
        "CID=1\nparentCID=2\ncreateType=\"monolithicFlat\"\nRW 9007199254740992 ZERO\nRW 9007199254740992 ZERO",
        String(repeating: "a\n", count: 70000), String(repeating: "RW 1 ZERO\n", count: 40000),
        String(repeating: "x", count: 1 << 20),
        "CID=1\nparentCID=2\ncreateType=\"x\"\nparentFileNameHint=\"\(String(repeating: "x", count: 1024))\"",
    ])
    func damagedDescriptorsAreRefused(text: String) throws {
        try scratch.write(Array("# Disk DescriptorFile\n\(text)".utf8), to: "disk.vmdk")
        let file = try scratch.open("disk.vmdk")
        #expect(try ImageFormat.probe(file) == .vmdk)
        let error = #expect(throws: StorageError.self) { try VMDKImage.describe(file) }
        #expect(error?.code == .damagedImage)
    }

    @Test(arguments: ["vmfsSparse", "seSparse", "fullDevice", "vmfsRaw", "custom"])
    func othersAreDescribedAndNotRead(type: String) throws {
        let text =
            "# Disk DescriptorFile\nCID=1\nparentCID=ffffffff\ncreateType=\"\(type)\"\nRW 8 X \"disk-delta.vmdk\"\n"
        try scratch.write(Array(text.utf8), to: "disk.vmdk")
        let description = try VMDKImage.describe(scratch.open("disk.vmdk"))
        #expect(description.subformat == type)
        #expect(description.virtualSize.bytes == 4096)
        let error = #expect(throws: StorageError.self) { try scratch.image("disk.vmdk") }
        #expect(error?.code == .notSupported)
    }

    @Test func extentsOfESXAreDescribedAndNotRead() throws {
        var bytes = [UInt8](repeating: 0, count: 2048)
        bytes.store("COWD".utf8, at: 0)
        bytes.store(littleEndian: UInt32(1), at: 4)
        bytes.store(littleEndian: UInt32(4096), at: 12)
        bytes.store(littleEndian: UInt32(1), at: 16)
        try scratch.write(bytes, to: "disk-delta.vmdk")
        let file = try scratch.open("disk-delta.vmdk")
        #expect(try ImageFormat.probe(file) == .vmdk)
        let description = try VMDKImage.describe(file)
        #expect(description.subformat == "vmfsSparse")
        #expect(description.virtualSize.bytes == 2 << 20)
        #expect(throws: StorageError.self) { try VMDKImage(file, opener: scratch.opener) }
    }

    @Test func oneOfSeveralExtentsIsNoImage() throws {
        try scratch.run(
            "qemu-img",
            ["create", "-q", "-f", "vmdk", "-o", "subformat=twoGbMaxExtentSparse", "disk.vmdk", "1M"]
        )
        let error = #expect(throws: StorageError.self) { try VMDKImage.describe(scratch.open("disk-s001.vmdk")) }
        #expect(error?.code == .notSupported)
        // A shorter extent than the descriptor has, and none.
        try replace("RW 2048", with: "RW 2049", in: "disk.vmdk")
        #expect(throws: StorageError.self) { try scratch.image("disk.vmdk").extent(at: 0) }
        try remove("disk-s001.vmdk")
        #expect(throws: StorageError.self) { try scratch.image("disk.vmdk").extent(at: 0) }
    }

    // MARK: Resize

    @Test(arguments: [
        "subformat=monolithicSparse", "subformat=monolithicSparse,zeroed_grain=on", "subformat=monolithicFlat", "ours",
    ])
    func resize(options: String) throws {
        let size: UInt64 = (3 << 20) + 512
        var random = PatternGenerator()
        let pattern = random.pattern(size: size)
        try write(pattern, to: "disk.raw", size: size)
        if options == "ours" {
            try fill(ImageCreation(format: .vmdk, name: "disk.vmdk", virtualSize: size), pattern, size)
        } else {
            try scratch.run("qemu-img", ["convert", "-f", "raw", "-O", "vmdk", "-o", options, "disk.raw", "disk.vmdk"])
        }
        // Within a table; of a directory's sector; with a new directory; once more; and back to where data ends.
        let sizes: [UInt64] = [20 << 20, 33 << 20, (4 << 30) + 512, 9 << 30, 20 << 30, 9 << 30, 40 << 30]
        for size in sizes {
            try resize("disk.vmdk", to: size)
            try scratch.run("qemu-img", ["resize", "-q", "--shrink", "-f", "raw", "disk.raw", "\(size)"])
            try scratch.run("qemu-img", ["check", "-f", "vmdk", "disk.vmdk"])
            let image = try scratch.image("disk.vmdk")
            try expect(image.description, sameAs: scratch.information("disk.vmdk"))
            #expect(image.virtualSize == size)
            let check = try report(of: image)
            #expect(check.corruptionCount == 0, "\(check.findings)")
            if size <= 9 << 30 {
                // Something at the end, behind which the next step grows.
                let write = "write -P 77 \(size - 65536 * 2 + 512) 130560"
                for format in ["raw", "vmdk"] {
                    try scratch.run("qemu-io", ["-f", format, "-c", write, "disk.\(format)"])
                }
                if !options.hasSuffix("Flat") {
                    #expect(throws: StorageError.self) {
                        try scratch.image("disk.vmdk", writable: true).resizable.validateResize(to: size - 512)
                    }
                }
            }
            try scratch.run("qemu-img", ["compare", "-f", "raw", "-F", "vmdk", "disk.raw", "disk.vmdk"])
        }
        let check = try report(of: scratch.image("disk.vmdk"))
        #expect(check.corruptionCount == 0, "\(check.findings), seed \(random.seed)")
    }

    @Test(arguments: [(3 << 20) + 512, 9 << 30] as [UInt64])
    func aChangeThatIsInterruptedIsNone(newSize: UInt64) throws {
        let size: UInt64 = (2 << 20) + 512
        var random = PatternGenerator()
        let pattern = random.pattern(size: size)
        try write(pattern, to: "disk.raw", size: size)
        try fill(ImageCreation(format: .vmdk, name: "disk.vmdk", virtualSize: size), pattern, size)
        let old = try OpenFile(scratch.path("disk.vmdk"), .readOnly).read(count: 21 * 512, at: 0)
        try resize("disk.vmdk", to: newSize)
        let new = try OpenFile(scratch.path("disk.vmdk"), .readOnly).read(count: 21 * 512, at: 0)
        // Without the header, and without the descriptor too.
        for start in [Array(old[..<512]) + new[512...], old] {
            try OpenFile(scratch.path("disk.vmdk"), .readWrite).write(start, 0..<start.count, at: 0)
            try scratch.run("qemu-img", ["check", "-f", "vmdk", "disk.vmdk"])
            try scratch.run("qemu-img", ["compare", "-f", "raw", "-F", "vmdk", "disk.raw", "disk.vmdk"])
            #expect(try scratch.image("disk.vmdk").virtualSize == size)
        }
        let check = try report(of: scratch.image("disk.vmdk"))
        #expect(check.corruptionCount == 0, "\(check.findings)")
        try resize("disk.vmdk", to: newSize)
        try scratch.run("qemu-img", ["check", "-f", "vmdk", "disk.vmdk"])
        try scratch.run("qemu-img", ["compare", "-f", "raw", "-F", "vmdk", "disk.raw", "disk.vmdk"])
    }

    @Test func whatStandsBehindTheOldEndDoesNotShow() throws {
        try scratch.run("qemu-img", ["create", "-q", "-f", "vmdk", "disk.vmdk", "1M"])
        try scratch.run("qemu-io", ["-f", "vmdk", "-c", "write -P 5 0 1M", "disk.vmdk"])
        // The header alone becomes smaller, as a program may have left it.
        var bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: scratch.path("disk.vmdk"))))
        bytes.store(littleEndian: UInt64(1024 + 3), at: 12)
        try scratch.write(bytes, to: "disk.vmdk")
        try resize("disk.vmdk", to: 2 << 20)
        let content = try scratch.content(scratch.image("disk.vmdk"), 0..<2 << 20)
        let end = 1027 * 512
        #expect(content[..<end].allSatisfy { $0 == 5 })
        #expect(content[end...].allSatisfy { $0 == 0 })
        let check = try report(of: scratch.image("disk.vmdk"))
        #expect(check.corruptionCount == 0, "\(check.findings)")
        #expect(check.leakCount == 7)
    }

    @Test func resizesThatCannotBeAreRefused() throws {
        func refusal(_ name: String, _ size: UInt64) throws -> StorageError? {
            let before = try Data(contentsOf: URL(fileURLWithPath: scratch.path(name)))
            let image = try scratch.image(name, writable: true).resizable
            let error = #expect(throws: StorageError.self) { try image.validateResize(to: size) }
            #expect(throws: StorageError.self) { try image.resize(to: size, cancellation: Cancellation()) }
            #expect(try Data(contentsOf: URL(fileURLWithPath: scratch.path(name))) == before)
            return error
        }
        try scratch.run("qemu-img", ["create", "-q", "-f", "vmdk", "sparse.vmdk", "10M"])
        try scratch.run("qemu-io", ["-f", "vmdk", "-c", "write -P 5 5M 64k", "sparse.vmdk"])
        let error = try refusal("sparse.vmdk", 5 << 20)
        #expect(error?.message.contains("guest offset 5242880") == true)
        #expect(try refusal("sparse.vmdk", (5 << 20) + 512)?.code == .invalidArgument)
        #expect(try refusal("sparse.vmdk", 0)?.code == .notSupported)
        #expect(try refusal("sparse.vmdk", 4 << 40)?.code == .notSupported)
        try scratch.image("sparse.vmdk", writable: true).resizable.validateResize(to: (5 << 20) + 65536)
        for options in ["streamOptimized", "twoGbMaxExtentFlat", "twoGbMaxExtentSparse"] {
            let arguments = ["create", "-q", "-f", "vmdk", "-o", "subformat=\(options)", "other.vmdk", "10M"]
            try scratch.run("qemu-img", arguments)
            #expect(try refusal("other.vmdk", 20 << 20)?.code == .notSupported)
        }
        var tracked = try [UInt8](Data(contentsOf: URL(fileURLWithPath: scratch.path("sparse.vmdk"))))
        tracked[4] = 3
        try scratch.write(tracked, to: "tracked.vmdk")
        #expect(try refusal("tracked.vmdk", 20 << 20)?.code == .notSupported)
        // The rest of the last grain would be written to.
        try scratch.run("qemu-img", ["create", "-q", "-f", "vmdk", "cut.vmdk", "1049088"])
        let cut = try [UInt8](Data(contentsOf: URL(fileURLWithPath: scratch.path("cut.vmdk"))))
        for sector in [5, 1 << 30] as [UInt32] {
            var bytes = cut
            // Entry 16 of the only table, behind its directory at sector 26.
            bytes.store(littleEndian: sector, at: 27 * 512 + 16 * 4)
            try scratch.write(bytes, to: "cut.vmdk")
            #expect(try refusal("cut.vmdk", 20 << 20)?.code == .damagedImage)
        }
        try scratch.run("qemu-img", ["create", "-q", "-f", "vmdk", "base.vmdk", "20M"])
        try scratch.run(
            "qemu-img",
            ["create", "-q", "-f", "vmdk", "-b", "base.vmdk", "-F", "vmdk", "disk.vmdk", "10M"]
        )
        #expect(try refusal("disk.vmdk", 15 << 20)?.code == .notSupported)
        try resize("disk.vmdk", to: 5 << 20)
        try scratch.run("qemu-img", ["check", "-f", "vmdk", "disk.vmdk"])
    }

    // MARK: Check

    @Test func damagedTablesAreFound() throws {
        try scratch.run("qemu-img", ["create", "-q", "-f", "vmdk", "disk.vmdk", "100M"])
        try scratch.run("qemu-io", ["-f", "vmdk", "-c", "write -P 5 0 1M", "disk.vmdk"])
        let whole = try [UInt8](Data(contentsOf: URL(fileURLWithPath: scratch.path("disk.vmdk"))))
        // The directory is at sector 21 and 38, each with 4 tables of 4 sectors behind it.
        func finding(_ word: String, leaks: Int = 0, _ change: (inout [UInt8]) -> Void) throws {
            var bytes = whole
            change(&bytes)
            try scratch.write(bytes, to: "damaged.vmdk")
            let check = try report(of: scratch.image("damaged.vmdk"))
            #expect(check.corruptionCount > 0)
            #expect(check.leakCount == leaks)
            #expect(check.findings.contains { $0.message.contains(word) }, "\(word): \(check.findings)")
        }
        try finding("outside", leaks: 1) { $0.store(littleEndian: UInt32(1 << 20), at: 39 * 512) }
        try finding("overlaps", leaks: 1) { $0.store(littleEndian: UInt32(128), at: 39 * 512 + 4) }
        try finding("overlaps", leaks: 0) { $0.store(littleEndian: UInt32(129), at: 39 * 512) }
        try finding("overlaps", leaks: 0) { $0.store(littleEndian: UInt32(39), at: 39 * 512) }
        try finding("overlaps") { $0.store(littleEndian: UInt32(39), at: 38 * 512 + 4) }
        try finding("overlaps") { $0.store(littleEndian: UInt32(22), at: 38 * 512 + 4) }
        try finding("lies outside") { $0.store(littleEndian: UInt32(1 << 20), at: 38 * 512 + 4) }
        try finding("redundant") { $0.store(littleEndian: UInt32(1 << 20), at: 21 * 512 + 4) }
        try finding("redundant copy of grain table 0") { $0.store(littleEndian: UInt32(0), at: 22 * 512 + 4) }
        try finding("descriptor has") { $0.store(littleEndian: UInt64(100 << 11) - 128, at: 12) }
        try finding("cannot be read") { $0.store(littleEndian: UInt64(1 << 40), at: 48) }
        // A leak alone.
        var bytes = whole
        bytes.store(littleEndian: UInt32(0), at: 39 * 512)
        bytes.store(littleEndian: UInt32(0), at: 22 * 512)
        try scratch.write(bytes, to: "damaged.vmdk")
        let check = try report(of: scratch.image("damaged.vmdk"))
        #expect(check.corruptionCount == 0, "\(check.findings)")
        #expect(check.leakCount == 1)
    }

    @Test func damagedMarkersAreFound() throws {
        let size: UInt64 = 1 << 20
        var random = PatternGenerator()
        let pattern = random.pattern(size: size) + [(offset: 0, bytes: [UInt8](repeating: 1, count: 65536))]
        var creation = ImageCreation(format: .vmdk, name: "disk.vmdk", virtualSize: size)
        creation.subformat = "streamOptimized"
        try fill(creation, pattern, size)
        let whole = try [UInt8](Data(contentsOf: URL(fileURLWithPath: scratch.path("disk.vmdk"))))
        for (offset, value) in [(0, 128), (4, 1), (8, 0), (8, 1 << 20), (8, .max)] as [(Int, UInt32)] {
            var bytes = whole
            bytes.store(littleEndian: value, at: 65536 + offset)
            try scratch.write(bytes, to: "damaged.vmdk")
            let image = try scratch.image("damaged.vmdk")
            let check = try report(of: image)
            #expect(check.corruptionCount == 1, "\(check.findings)")
            if offset == 8 { #expect(throws: StorageError.self) { try scratch.content(image, 0..<size) } }
        }
        // The compressed bytes themselves.
        var bytes = whole
        bytes.store([UInt8](repeating: 0xFF, count: 8), at: 65536 + 12)
        try scratch.write(bytes, to: "damaged.vmdk")
        #expect(throws: StorageError.self) { try scratch.content(scratch.image("damaged.vmdk"), 0..<size) }
    }

    // MARK: Bad input

    @Test(arguments: subformats)
    func noDamageTraps(subformat: String) throws {
        let size: UInt64 = (1 << 20) + 512
        var random = PatternGenerator()
        let pattern = random.pattern(size: size)
        var creation = ImageCreation(format: .vmdk, name: "disk.vmdk", virtualSize: size)
        creation.subformat = subformat
        try fill(creation, pattern, size)
        let whole = try [UInt8](Data(contentsOf: URL(fileURLWithPath: scratch.path("disk.vmdk"))))
        // Header and descriptor, both directories with the tables' beginnings, and the footer.
        let places = [
            0..<80, 512..<900, 21 * 512..<22 * 512 + 80, 26 * 512..<27 * 512 + 80, whole.count - 2048..<whole.count,
        ]
        var described = 0
        func use() throws {
            let file = try scratch.open("damaged.vmdk")
            if (try? VMDKImage.describe(file)) != nil { described += 1 }
            do {
                let image = try VMDKImage(file, opener: scratch.opener)
                var position: UInt64 = 0
                // A size that is damaged may be large.
                for _ in 0..<200 where position < image.virtualSize {
                    let extent = try image.extent(at: position)
                    #expect(extent.range.contains(position) && extent.range.upperBound <= image.virtualSize)
                    if case .compressed(let data) = extent.content {
                        _ = try? data.expanded(to: extent.range.count)
                    }
                    position = extent.range.upperBound
                }
                _ = try report(of: image)
                _ = try? image.validateResize(to: size * 2)
                _ = try? image.validateResize(to: 512)
            } catch is StorageError {}
        }
        func use(changing changes: [Int: UInt8]) throws {
            let target = try OpenFile(scratch.path("damaged.vmdk"), .readWrite)
            for (offset, value) in changes { try target.write([value], 0..<1, at: UInt64(offset)) }
            try use()
            for offset in changes.keys { try target.write(whole, offset..<offset + 1, at: UInt64(offset)) }
        }
        try scratch.write(whole, to: "damaged.vmdk")
        for offset in Set(places.joined()) where whole.indices.contains(offset) {
            for value in [0, 0xFF] as [UInt8] where whole[offset] != value { try use(changing: [offset: value]) }
        }
        #expect(described > 0)
        for _ in 0..<300 {
            var changes: [Int: UInt8] = [:]
            for _ in 0..<8 {
                changes[Int(random.next() % UInt64(min(whole.count, 22000)))] = UInt8(truncatingIfNeeded: random.next())
            }
            try use(changing: changes)
        }
        for length in [0, 1, 3, 4, 71, 79, 511, 512, 513, 600, 1024, 4096, 10751, 10752, 11264, 65535, 65536] + [
            whole.count - 1536, whole.count - 1024, whole.count - 512, whole.count - 1,
        ] where length >= 0 && length < whole.count {
            try scratch.write(Array(whole[..<length]), to: "damaged.vmdk")
            try use()
        }
    }

    // MARK: Support

    private func expect(_ description: ImageDescription, sameAs information: [String: Any]) throws {
        let specific = try #require(information["format-specific"] as? [String: Any])
        let data = try #require(specific["data"] as? [String: Any])
        let extents = try #require(data["extents"] as? [[String: Any]])
        #expect(information["format"] as? String == "vmdk")
        #expect(information["virtual-size"] as? UInt64 == description.virtualSize.bytes)
        #expect(data["create-type"] as? String == description.subformat)
        #expect(information["backing-filename"] as? String == description.backing?.name)
        #expect(information["dirty-flag"] as? Bool == description.isDirty)
        if description.dataFiles.isEmpty {
            #expect(information["cluster-size"] as? UInt64 == description.clusterSize?.bytes)
            #expect((extents.first?["compressed"] as? Bool ?? false) == (description.compression == "zlib"))
        } else {
            let names = extents.compactMap { $0["filename"] as? String }
            #expect(names.map { ($0 as NSString).lastPathComponent } == description.dataFiles)
        }
    }

    /// Whether there is nothing but zeros, of which QEMU writes a block to a flat file.
    private func isZero(_ image: any DiskImage) throws -> Bool {
        var position: UInt64 = 0
        while position < image.virtualSize {
            let extent = try image.extent(at: position)
            switch extent.content {
            case .unallocated, .zero: break
            case .data:
                guard extent.range.count <= 4096, try scratch.content(image, extent.range).allSatisfy({ $0 == 0 })
                else { return false }
            case .compressed: return false
            }
            position = extent.range.upperBound
        }
        return true
    }

    private func kind(_ extent: ImageExtent) -> String {
        switch extent.content {
        case .data: "data"
        case .compressed: "compressed"
        case .zero: "zero"
        case .unallocated: "unallocated"
        }
    }

    private func report(of image: any DiskImage) throws -> ImageCheck {
        var check = ImageCheck()
        try image.check(&check, cancellation: Cancellation())
        return check
    }

    private func resize(_ name: String, to size: UInt64) throws {
        let image = try VMDKImage(scratch.open(name, writable: true), opener: writingOpener)
        try image.validateResize(to: size)
        try image.resize(to: size, cancellation: Cancellation())
    }

    private var writingOpener: ImageOpener {
        let scratch = scratch
        return ImageOpener { name, _ throws(StorageError) in try scratch.open(name, writable: true) }
    }

    /// Makes an image and writes what is not zero to it.
    private func fill(_ creation: ImageCreation, _ pattern: Pattern, _ size: UInt64, zeros: Range<UInt64>? = nil) throws
    {
        let writer = try creation.writer(to: scratch.makeFile(creation.name), makeFile: scratch.makeFile)
        let compressing = writer as? any CompressingImageWriter
        let unit = writer.unit
        var units: [UInt64: [UInt8]] = [:]
        for piece in pattern {
            for (index, byte) in piece.bytes.enumerated() {
                let offset = piece.offset + UInt64(index)
                units[offset / unit, default: [UInt8](repeating: 0, count: Int(unit))][Int(offset % unit)] = byte
            }
        }
        var zeroed = false
        for (number, bytes) in units.sorted(by: { $0.key < $1.key }) {
            if let zeros, !zeroed, number * unit >= zeros.upperBound {
                try writer.zero(zeros)
                zeroed = true
            }
            let range = number * unit..<min((number + 1) * unit, size)
            let count = range.count
            if let compressing, let codec = compressing.codec {
                let compressed = try #require(codec.compress(Array(bytes[..<count]), limit: count + 1024))
                try compressing.write(compressed: compressed, at: range.lowerBound)
            } else {
                for place in try writer.place(range) {
                    let start = Int(place.range.lowerBound - range.lowerBound)
                    try place.file.file.write(bytes, start..<start + place.range.count, at: place.offset)
                }
            }
        }
        if let zeros, !zeroed { try writer.zero(zeros) }
        try writer.finish()
    }

    /// A raw file with holes.
    private func write(_ pattern: Pattern, to name: String, size: UInt64) throws {
        let file = try OpenFile(scratch.path(name), [.readWrite, .create], mode: 0o600)
        try file.setSize(.zero)
        try file.setSize(ByteCount(size))
        for piece in pattern { try file.write(piece.bytes, 0..<piece.bytes.count, at: piece.offset) }
    }

    private func expected(_ pattern: Pattern, _ size: UInt64) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Int(size))
        for piece in pattern { bytes.store(piece.bytes, at: Int(piece.offset)) }
        return bytes
    }

    /// The numbers of the grains that are not zero.
    private func units(_ pattern: Pattern) -> Set<UInt64> {
        Set(pattern.flatMap { $0.offset / 65536...($0.offset + UInt64($0.bytes.count) - 1) / 65536 })
    }

    private func remove(_ names: String...) throws {
        for name in names where FileManager.default.fileExists(atPath: scratch.path(name)) {
            try FileManager.default.removeItem(atPath: scratch.path(name))
        }
    }

    private func replace(_ text: String, with other: String, in name: String) throws {
        let url = URL(fileURLWithPath: scratch.path(name))
        let content = try String(contentsOf: url, encoding: .utf8)
        #expect(content.contains(text))
        try Data(content.replacingOccurrences(of: text, with: other).utf8).write(to: url)
    }
}

/// Pieces of a disk that are not zero, in order and apart.
private typealias Pattern = [(offset: UInt64, bytes: [UInt8])]

/// Makes disks that are mostly zeros, of a seed that failing tests print.
private struct PatternGenerator: RandomNumberGenerator {
    let seed: UInt64
    private var generator: SeededGenerator

    init() {
        seed = UInt64.random(in: 0...UInt64.max)
        generator = SeededGenerator(seed: seed)
        print("seed \(seed)")
    }

    mutating func next() -> UInt64 { generator.next() }

    mutating func pattern(size: UInt64) -> Pattern {
        var pattern: Pattern = []
        let sectors = max(size / 512, 1)
        var position = next() % min(sectors, 500)
        for _ in 0..<40 where position < sectors {
            let count = min(1 + next() % 300, sectors - position)
            let length = Int(min(count * 512, size - position * 512))
            // Neither all zeros nor what compresses well, always.
            let isNoise = next() % 2 == 0
            let bytes = (0..<length).map { isNoise ? UInt8(truncatingIfNeeded: next()) : UInt8(1 + $0 / 1000 % 200) }
            pattern.append((position * 512, bytes))
            position += count + 1 + next() % max(sectors / 20, 1)
        }
        return pattern
    }
}

extension DiskImage {
    fileprivate var resizable: any ResizableImage {
        get throws { try #require(self as? any ResizableImage) }
    }
}
