import DiskImages
import ImageTrials
import StorageBase
import Testing

/// What a hostile file may be, over all formats: it is described or refused, in time, and nothing of it is believed.
struct HostileImageTests {
    /// Where the headers of a format's samples lie; what is negative counts from the file's end.
    private static let headers: [ImageFormat: [Range<Int>]] = [
        .raw: [0..<16], .bochs: [0..<100], .cloop: [0..<168], .cow: [0..<24, 1024..<1060], .dmg: [-512..<0],
        .iso: [32768..<32900], .parallels: [0..<76], .qcow: [0..<64], .qcow2: [0..<144], .qed: [0..<72],
        .vdi: [60..<84, 336..<512],
        .vhdx: [
            0..<8, 65536..<65616, 196_608..<196_688, 2 << 20..<(2 << 20) + 200,
            (2 << 20) + 65536..<(2 << 20) + 65600,
        ], .vmdk: [0..<80, 512..<800], .vpc: [0..<90, 512..<560, -512 ..< -422], .luks: [0..<112],
        .luks2: [0..<16, 4096..<4400],
    ]

    /// A number in a header.
    struct Field: Sendable, CustomTestStringConvertible {
        enum Meaning {
            /// The size that a guest sees.
            case size
            /// Where a table lies, or how long it is.
            case table
        }

        let format: ImageFormat
        let meaning: Meaning
        /// What is negative counts from the file's end.
        let offset: Int
        let width: Int
        var isBigEndian = false

        var testDescription: String { "\(format) \(meaning) at \(offset)" }

        func bytes(_ value: UInt64) -> [UInt8] {
            let bytes = (0..<width).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
            return isBigEndian ? bytes.reversed() : bytes
        }
    }

    private static let fields: [Field] = [
        Field(format: .bochs, meaning: .size, offset: 88, width: 8),
        Field(format: .bochs, meaning: .table, offset: 72, width: 4),
        Field(format: .cloop, meaning: .table, offset: 132, width: 4, isBigEndian: true),
        Field(format: .cloop, meaning: .table, offset: 136, width: 8, isBigEndian: true),
        Field(format: .cow, meaning: .size, offset: 1036, width: 8, isBigEndian: true),
        Field(format: .dmg, meaning: .size, offset: -20, width: 8, isBigEndian: true),
        Field(format: .dmg, meaning: .table, offset: -488, width: 8, isBigEndian: true),
        Field(format: .dmg, meaning: .table, offset: -296, width: 8, isBigEndian: true),
        Field(format: .luks, meaning: .table, offset: 104, width: 4, isBigEndian: true),
        Field(format: .luks2, meaning: .table, offset: 8, width: 8, isBigEndian: true),
        Field(format: .parallels, meaning: .table, offset: 64, width: 4),
        Field(format: .parallels, meaning: .table, offset: 32, width: 4),
        Field(format: .qcow, meaning: .size, offset: 24, width: 8, isBigEndian: true),
        Field(format: .qcow, meaning: .table, offset: 40, width: 8, isBigEndian: true),
        Field(format: .qcow2, meaning: .size, offset: 24, width: 8, isBigEndian: true),
        Field(format: .qcow2, meaning: .table, offset: 40, width: 8, isBigEndian: true),
        Field(format: .qcow2, meaning: .table, offset: 48, width: 8, isBigEndian: true),
        Field(format: .qcow2, meaning: .table, offset: 56, width: 4, isBigEndian: true),
        Field(format: .qed, meaning: .size, offset: 48, width: 8),
        Field(format: .qed, meaning: .table, offset: 40, width: 8),
        Field(format: .vdi, meaning: .size, offset: 368, width: 8),
        Field(format: .vdi, meaning: .table, offset: 340, width: 4),
        Field(format: .vdi, meaning: .table, offset: 344, width: 4),
        Field(format: .vhdx, meaning: .size, offset: (2 << 20) + 65536 + 8, width: 8),
        Field(format: .vhdx, meaning: .table, offset: 65536 + 72, width: 8),
        Field(format: .vmdk, meaning: .size, offset: 12, width: 8),
        Field(format: .vmdk, meaning: .table, offset: 56, width: 8),
        Field(format: .vpc, meaning: .size, offset: 48, width: 8, isBigEndian: true),
        Field(format: .vpc, meaning: .table, offset: 16, width: 8, isBigEndian: true),
        Field(format: .vpc, meaning: .table, offset: 512 + 16, width: 8, isBigEndian: true),
    ]

    /// Tries copies of a file, each damaged in another way, and remembers the slowest.
    private struct Trials {
        let image: PackedImage
        let format: ImageFormat
        private var worst = Duration.zero

        init(_ sample: ImageSample, _ format: ImageFormat) throws {
            image = try PackedImage(sample.file)
            self.format = format
        }

        /// - Parameter mends: Whether checksums are right after the damage.
        @discardableResult
        mutating func run(
            _ what: @autoclosure () -> String,
            mends: Bool = false,
            sourceLocation: SourceLocation = #_sourceLocation,
            _ damage: (borrowing OpenFile) throws -> Void
        ) throws -> ImageTrial {
            func file() throws -> OpenFile {
                let file = try image.unpack(mendingChecksumsOf: format)
                try damage(file)
                if mends { try format.mendChecksums(in: file, size: file.contentSize()) }
                return file
            }
            let trial = ImageTrial(try file(), as: format)
            let violations = trial.violations
            #expect(violations.isEmpty, "\(format), \(what()): \(violations)", sourceLocation: sourceLocation)
            try expectQuick(trial, file, sourceLocation: sourceLocation)
            worst = max(worst, trial.describing)
            return trial
        }

        func report(_ what: String) { print("\(format), \(what): described in \(worst) at worst") }
    }

    /// An offset that may count from the end.
    private static func place(_ offset: Int, in file: borrowing OpenFile) throws -> UInt64 {
        try offset < 0 ? file.contentSize() - UInt64(-offset) : UInt64(offset)
    }

    @Test(arguments: ImageFormat.allCases) func samplesAreInOrder(format: ImageFormat) throws {
        for sample in try ImageSample.all(of: format) {
            let file = try sample.open()
            let probed = try ImageFormat.probe(file)
            #expect(probed == format, "\(sample.name)")
            let trial = ImageTrial(try PackedImage(file).unpack(mendingChecksumsOf: format), as: format)
            #expect(trial.violations.isEmpty, "\(sample.name): \(trial.violations)")
            #expect(trial.description != nil, "\(sample.name): \(trial.refusal.map { "\($0)" } ?? "")")
        }
    }

    @Test(arguments: ImageFormat.allCases) func aFileMayEndAnywhere(format: ImageFormat) throws {
        let seed = ImageScratch.newSeed()
        var generator = SeededGenerator(seed: seed)
        for sample in try ImageSample.all(of: format).prefix(2) {
            var trials = try Trials(sample, format)
            let size = try sample.file.file.contentSize()
            let lengths =
                Array(0..<min(600, size)) + (0..<60).map { _ in UInt64.random(in: 0..<size, using: &generator) }
            for length in lengths {
                try trials.run("cut to \(length) bytes, seed \(seed)") { file in try file.setSize(ByteCount(length)) }
            }
            trials.report("\(sample.name) cut")
        }
    }

    @Test(arguments: ImageFormat.allCases) func aHeaderMayHoldAnything(format: ImageFormat) throws {
        let samples = try ImageSample.all(of: format)
        var trials = try Trials(samples[0], format)
        for offset in try #require(Self.headers[format]).joined() {
            for change in [{ _ in 0 }, { _ in 0xFF }, { $0 ^ 0x80 }] as [(UInt8) -> UInt8] {
                try trials.run("byte \(offset) changed", mends: true) { file in
                    let place = try Self.place(offset, in: file)
                    let bytes = try file.read(count: 1, at: place).map(change)
                    try file.write(bytes, 0..<bytes.count, at: place)
                }
            }
        }
        trials.report("each byte of \(samples[0].name)")
    }

    @Test(arguments: fields) func aNumberMayBeAnything(field: Field) throws {
        let sample = try #require(ImageSample.all(of: field.format).first)
        var trials = try Trials(sample, field.format)
        let size = try sample.file.file.contentSize()
        let values =
            [0, 1, size - 1, size, size / 512, 1 << 31, 1 << 32 - 1, 1 << 62, 1 << 63, UInt64(Int64.max), .max]
            + [UInt64.max - 511, UInt64.max / 512, UInt64.max / 8, UInt64(Int64.max) / 512 * 512]
        for value in values {
            let trial = try trials.run("\(field.testDescription) is \(value)", mends: true) { file in
                let bytes = field.bytes(value)
                try file.write(bytes, 0..<bytes.count, at: Self.place(field.offset, in: file))
            }
            // No file reaches so far, and none of these disks has so many bytes.
            if value == .max {
                let isSeen = trial.refusal != nil || trial.check.map { !$0.isClean } ?? true
                #expect(isSeen, "\(field.testDescription) is \(value), and \(trial.description.debugDescription)")
            }
        }
        trials.report(field.testDescription)
    }
}

/// Headers that are as long as a format lets them be, and of nothing but work.
extension HostileImageTests {
    private func luks2(_ metadata: String) -> [UInt8] {
        let length = 4 << 20
        var bytes = [UInt8](repeating: 0, count: length)
        bytes.store(Array("LUKS".utf8) + [0xBA, 0xBE, 0, 2], at: 0)
        bytes.store(bigEndian: UInt64(length), at: 8)
        bytes.store(metadata.utf8.prefix(length - 4096), at: 4096)
        return bytes
    }

    private func vmdk(_ line: String) -> [UInt8] {
        let head = "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType=\"custom\"\n"
        let count = (1 << 20 - head.utf8.count) / line.utf8.count
        return Array((head + String(repeating: line, count: count)).utf8)
    }

    /// Without the optimiser the same takes some twenty times as long.
    private var limit: Duration {
        #if DEBUG
        ImageTrial.describingLimit * 20
        #else
        ImageTrial.describingLimit
        #endif
    }

    @Test func theLongestHeadersAreReadInTime() throws {
        let count = 4 << 20
        let headers: [(what: String, format: ImageFormat, bytes: [UInt8])] = [
            ("segments", .luks2, luks2("{\"segments\":{" + String(repeating: "\"0\":{},", count: count / 7))),
            ("keys", .luks2, luks2("{" + String(repeating: "\"a\":1,", count: count / 6))),
            ("values", .luks2, luks2("{\"a\":[" + String(repeating: "1,", count: count / 2))),
            ("depth", .luks2, luks2(String(repeating: "{\"a\":", count: count / 5))),
            ("text", .luks2, luks2("{\"" + String(repeating: "x", count: count))),
            ("space", .luks2, luks2("{" + String(repeating: " ", count: count))),
            ("empty lines", .vmdk, vmdk("\n")), ("lines", .vmdk, vmdk(String(repeating: "x", count: 64) + "\n")),
            ("one line", .vmdk, vmdk("x")), ("blanks", .vmdk, vmdk(" ")),
            ("values", .vmdk, vmdk("CID=" + String(repeating: "f", count: 60) + "\n")),
            ("extents", .vmdk, vmdk("RW 1 FLAT \"" + String(repeating: "x", count: 110) + "\" 0\n")),
            ("long names", .vmdk, vmdk("RW 1 FLAT \"" + String(repeating: "x", count: 1020) + "\" 0\n")),
        ]
        for (what, format, bytes) in headers {
            func file() throws -> OpenFile {
                let file = try OpenFile("/dev/shm", [.readWrite, .unnamed], mode: 0o600)
                try file.write(bytes)
                return file
            }
            let times = try (0..<5).map { _ in ImageTrial(try file(), as: format).describing }.sorted()
            print("\(format), \(what): \(times[2]), at most \(times[4])")
            #expect(times[2] <= limit, "\(format), \(what): \(times)")
        }
    }
}

/// What is of qcow2 alone.
extension HostileImageTests {
    private func qcow2(clusterSize: UInt64) throws(StorageError) -> ImageFile {
        let file = ImageFile(empty: try OpenFile("/dev/shm", [.readWrite, .unnamed], mode: 0o600))
        var creation = ImageCreation(format: .qcow2, name: "image", virtualSize: 1 << 20)
        creation.clusterSize = clusterSize
        try creation.make(in: file, cancellation: Cancellation()) { _ throws(StorageError) in file }
        return file
    }

    @Test(arguments: [0, 8, 22, 63, 64, .max] as [UInt32]) func clustersOfNoSizeAreRefused(bits: UInt32) throws {
        var trials = try Trials(ImageSample.all(of: .qcow2)[0], .qcow2)
        var bytes = [UInt8](repeating: 0, count: 4)
        bytes.store(bigEndian: bits, at: 0)
        let trial = try trials.run("cluster bits") { file in try file.write(bytes, at: ByteCount(20)) }
        let refusal = try #require(trial.refusal)
        #expect(trial.description == nil && refusal.code == .damagedImage && refusal.context.byteOffset?.bytes == 20)
    }

    @Test func refcountTablesThatOverlapAreFound() throws {
        let sample = try ImageSample.all(of: .qcow2)[0]
        let header = try sample.file.file.read(count: 72, at: 0)
        let table = try header.bigEndian(UInt64.self, at: 48)
        let block = try sample.file.file.read(count: 8, at: table).bigEndian(UInt64.self, at: 0)
        let l1 = try header.bigEndian(UInt64.self, at: 40)
        var trials = try Trials(sample, .qcow2)
        /// The table upon other tables, and blocks upon the header, the table, the L1 table and each other.
        let changes: [(at: UInt64, value: UInt64)] = [
            (48, 0), (48, l1), (48, block), (table, table), (table, l1), (table + 8, block), (table + 8, table),
        ]
        for (place, value) in changes {
            var bytes = [UInt8](repeating: 0, count: 8)
            bytes.store(bigEndian: value, at: 0)
            let trial = try trials.run("\(value) at \(place)") { file in try file.write(bytes, 0..<8, at: place) }
            let isFound = trial.refusal?.code == .damagedImage || trial.check?.corruptionCount ?? 0 > 0
            #expect(isFound, "\(value) at \(place): \(trial)")
        }
    }

    @Test func aLargeHeaderExtensionIsPassedOver() throws {
        for (clusterSize, isValid) in [(2 << 20, true), (64 << 10, false)] as [(UInt64, Bool)] {
            let file = try qcow2(clusterSize: clusterSize)
            var head = [UInt8](repeating: 0, count: 8)
            head.store(bigEndian: 0x1234_5678 as UInt32, at: 0)
            head.store(bigEndian: 1 << 20 as UInt32, at: 4)
            try file.file.write(head + [UInt8](repeating: 0x55, count: 1 << 20), 0..<8 + 1 << 20, at: 112)
            let name: [UInt8] =
                [0xE2, 0x79, 0x2A, 0xCA, 0, 0, 0, 3] + Array("raw".utf8) + [UInt8](repeating: 0, count: 13)
            try file.file.write(name, 0..<name.count, at: 120 + 1 << 20)
            let begin = ContinuousClock.now
            let description = Result { () throws(StorageError) in
                try ImageFormat.qcow2.describe(ImageFile(file.file.duplicate()))
            }
            print("an extension of 1 MiB in a cluster of \(clusterSize): \(ContinuousClock.now - begin)")
            let trial = ImageTrial(try file.file.duplicate(), as: .qcow2)
            try expectQuick(trial) { try file.file.duplicate() }
            switch description {
            case .success: #expect(isValid)
            case .failure(let error): #expect(!isValid && error.code == .damagedImage, "\(error)")
            }
        }
    }
}

/// The names that images give their backing files.
extension HostileImageTests {
    static let names = [
        "../../../../etc/passwd", "/etc/passwd", "/dev/sda", "json:{\"driver\":\"nbd\",\"host\":\"example.org\"}",
        "nbd://example.org/disk", "https://example.org/disk.qcow2", "fat:rw:/etc", "-", "a\nb", "\u{1B}[2J", " ",
    ]

    @Test(arguments: [.qcow2, .qcow, .cow, .qed] as [ImageFormat], names)
    func aBackingFileIsNamedAndNotOpened(format: ImageFormat, name: String) throws {
        let file = ImageFile(empty: try OpenFile("/dev/shm", [.readWrite, .unnamed], mode: 0o600))
        if format == .qed {
            var bytes = try ImageSample.all(of: .qed)[0].bytes()
            bytes.store(littleEndian: UInt32(name.utf8.count), at: 60)
            bytes.store(name.utf8, at: 64)
            try file.file.write(bytes)
        } else {
            var creation = ImageCreation(format: format, name: "image", virtualSize: 1 << 20)
            creation.backing = ImageDescription.Backing(name: name, format: .raw)
            try creation.make(in: file, cancellation: Cancellation()) { _ throws(StorageError) in file }
        }
        let written = try ImageFile(file.file.duplicate())
        #expect(try format.describe(written).backing?.name == name)
        let opener = ImageOpener { opened, _ throws(StorageError) in
            Issue.record("'\(opened)' was opened")
            throw StorageError(.notFound, "nobody opens '\(opened)'")
        }
        let image = try #require(format.image).init(written, opener: opener)
        _ = try image.extent(at: 0)
        var check = ImageCheck()
        try image.check(&check, cancellation: Cancellation())
    }
}

/// Chains of backing files.
extension HostileImageTests {
    private func chain(_ first: String, _ scratch: ImageScratch) throws -> ImageChain {
        func open(_ name: String) throws(StorageError) -> any DiskImage {
            try QCOW2Image(scratch.open(name), opener: scratch.opener)
        }
        return try ImageChain(try open(first)) { backing, _ throws(StorageError) in try open(backing.name) }
    }

    private func make(_ count: Int, in scratch: ImageScratch, last: String?) throws {
        for number in 0..<count {
            var creation = ImageCreation(format: .qcow2, name: "\(number)", virtualSize: 4096)
            creation.clusterSize = 512
            if let name = number + 1 < count ? "\(number + 1)" : last {
                creation.backing = ImageDescription.Backing(name: name, format: .qcow2)
            }
            try scratch.make(creation)
        }
    }

    @Test(arguments: [1, 2, 3]) func aChainThatLeadsBackIsDamaged(length: Int) throws {
        let scratch = ImageScratch()
        try make(length, in: scratch, last: "0")
        let error = #expect(throws: StorageError.self) { _ = try chain("0", scratch) }
        #expect(error?.code == .damagedImage && error?.message.contains("leads back") == true)
    }

    @Test(arguments: [200, 201, 300]) func aChainIsOfTwoHundredAtMost(length: Int) throws {
        let scratch = ImageScratch()
        try make(length, in: scratch, last: nil)
        if length <= ImageChain.maximumDepth {
            #expect(try chain("0", scratch).layers.count == length)
        } else {
            let error = #expect(throws: StorageError.self) { _ = try chain("0", scratch) }
            #expect(error?.code == .damagedImage)
        }
    }
}
