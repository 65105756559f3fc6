import Foundation
import StorageKit
import Synchronization
import Testing

/// Copies of volumes: from every format to every one, whole or not at all.
struct CloneTests {
    private let scratch = Scratch()

    // MARK: Content

    /// What the copies are made of: a format, and options of `qemu-img convert`.
    static let sources = [
        "raw", "qcow2", "qcow2 -o compat=0.10,cluster_size=512", "qcow2 -c", "qcow2 -c -o compression_type=zstd",
        "qcow2 -o extended_l2=on,cluster_size=128k", "qcow", "vmdk", "vmdk -o subformat=monolithicFlat",
        "vmdk -o subformat=twoGbMaxExtentSparse", "vmdk -o subformat=streamOptimized", "vpc", "vpc -o subformat=fixed",
        "vdi", "vhdx", "vhdx -o subformat=fixed", "qed", "parallels",
    ]

    struct Target: Sendable {
        let format: VolumeFormat
        var subformat: String?
        var compression: ImageCompression?
        var preallocation: ImagePreallocation?
        var compatibility: String?
    }

    static let targets = [
        Target(format: .raw), Target(format: .raw, preallocation: .falloc), Target(format: .qcow2),
        Target(format: .qcow2, compression: .zlib), Target(format: .qcow2, compression: .zstd),
        Target(format: .qcow2, preallocation: .metadata), Target(format: .qcow2, compatibility: "0.10"),
        Target(format: .qcow), Target(format: .vmdk), Target(format: .vmdk, subformat: "monolithicFlat"),
        Target(format: .vmdk, subformat: "streamOptimized"), Target(format: .vpc),
        Target(format: .vpc, subformat: "fixed"),
        Target(format: .vdi), Target(format: .vhdx), Target(format: .vhdx, subformat: "fixed"), Target(format: .cow),
        Target(format: .bochs),
    ]

    /// Formats whose images QEMU does not write or read.
    private static let unknownToQEMU: Set<VolumeFormat> = [.cow, .bochs]

    @Test(arguments: sources) func everyFormatToEveryFormat(source: String) throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("everyFormatToEveryFormat \(source): seed \(seed)")
        var numbers = SeededNumbers(seed: seed)
        let (manager, pool) = try twoPools()
        let other = try manager.pool(named: "other")
        let size = Int.random(in: 700_000...2_000_000, using: &numbers)
        try scratch.makeDisk("disk", size: size, seed: seed)
        let words = source.split(separator: " ").map(String.init)
        try scratch.run(
            "qemu-img",
            ["convert", "-f", "raw", "-O", words[0]] + words.dropFirst() + ["disk", "images/source"]
        )
        let before = try scratch.bytes("images/source")
        let capacity = try pool.volume(named: "source").capacity
        for (number, target) in Self.targets.enumerated() {
            var definition = VolumeDefinition("copy-\(number)", nil, target.format)
            (definition.subformat, definition.compression) = (target.subformat, target.compression)
            (definition.preallocation, definition.compatibility) = (target.preallocation, target.compatibility)
            // Some are larger than what they are copied from.
            let isLarger = Bool.random(using: &numbers)
            if isLarger {
                definition.capacity = ByteCount(capacity.bytes + UInt64.random(in: 0...500_000, using: &numbers))
            }
            let context = "\(source) to \(target), seed \(seed)"
            let copy = try other.cloneVolume(VolumeReference(pool: "images", name: "source"), as: definition)
            #expect(copy.formatOrigin == .declared && copy.problem == nil, "\(context)")
            #expect(copy.capacity >= definition.capacity ?? capacity, "\(context)")
            #expect(copy.definition.backingFile == nil, "\(context)")
            if Self.unknownToQEMU.contains(target.format) {
                try other.cloneVolume(
                    VolumeReference(pool: "other", name: copy.name),
                    as: VolumeDefinition("back", nil)
                )
                #expect(try scratch.isSameDisk("disk", "other/back"), "\(context)")
                try other.deleteVolume(named: "back")
            } else {
                let format = target.format.rawValue
                let (status, text) = try scratch.attempt(
                    "qemu-img",
                    ["compare", "-f", "raw", "-F", format, "disk", "other/\(copy.name)"]
                )
                #expect(status == 0, "\(context): \(text)")
                if ["qcow2", "vdi", "vhdx"].contains(format) || format == "vmdk" && target.subformat != "monolithicFlat"
                {
                    try scratch.qemuImage("check -f \(format) other/\(copy.name)")
                }
                if target.preallocation == .metadata {
                    let map = try other.mapVolume(named: copy.name)
                    #expect(map.entries.allSatisfy { $0.kind == .data }, "\(context)")
                }
            }
            if target.format != .raw { #expect(try other.checkVolume(named: copy.name).isClean, "\(context)") }
        }
        #expect(try scratch.bytes("images/source") == before)
    }

    private func twoPools() throws -> (StorageManager, StoragePool) {
        let manager = scratch.manager()
        let pools = try ["images", "other"]
            .map { name in
                let pool = try manager.define(scratch.directoryPool(name))
                try pool.start(build: .standard)
                return pool
            }
        return (manager, pools[0])
    }

    @Test func cowAndBochsAreReadToo() throws {
        let pool = try scratch.runningPool()
        try scratch.makeDisk("images/disk", size: 1_234_567, seed: 4)
        for format in [VolumeFormat.cow, .bochs] {
            try pool.cloneVolume(
                VolumeReference(pool: "images", name: "disk"),
                as: VolumeDefinition("source", nil, format)
            )
            for (number, target) in Self.targets.enumerated() {
                var definition = VolumeDefinition("copy-\(number)", nil, target.format)
                (definition.subformat, definition.compression) = (target.subformat, target.compression)
                try pool.cloneVolume(VolumeReference(pool: "images", name: "source"), as: definition)
                try pool.cloneVolume(
                    VolumeReference(pool: "images", name: definition.name),
                    as: VolumeDefinition("back", nil)
                )
                #expect(try scratch.isSameDisk("images/disk", "images/back"), "\(format) to \(target)")
                for name in ["back", definition.name] { try pool.deleteVolume(named: name) }
            }
            try pool.deleteVolume(named: "source")
        }
    }

    @Test func withoutAnythingSaidTheCopyIsAsTheSource() throws {
        let pool = try scratch.runningPool()
        for (name, format) in [("raw", VolumeFormat.raw), ("qcow2", .qcow2), ("vdi", .vdi)] {
            try pool.createVolume(VolumeDefinition(name, 3 << 20, format))
            let copy = try pool.cloneVolume(
                VolumeReference(pool: "images", name: name),
                as: VolumeDefinition(name: "copy", capacity: nil)
            )
            #expect(copy.definition.format == format && copy.capacity == .mebibytes(3))
            try pool.deleteVolume(named: "copy")
        }
        // A CD-ROM's image is read as its bytes, and no image of its format is made.
        var bytes = [UInt8](repeating: 0, count: 40 * 2048)
        bytes.replaceSubrange(32768..<32774, with: [1] + Array("CD001".utf8))
        bytes[32774] = 1
        bytes.replaceSubrange(32848..<32856, with: [40, 0, 0, 0, 0, 0, 0, 40])
        bytes.replaceSubrange(32896..<32900, with: [0, 8, 8, 0])
        try scratch.write(bytes, to: "images/cd")
        #expect(try pool.volume(named: "cd").definition.format == .iso)
        let reference = VolumeReference(pool: "images", name: "cd")
        let error = scratch.refusal {
            try pool.cloneVolume(reference, as: VolumeDefinition(name: "copy", capacity: nil))
        }
        #expect(error?.code == .notSupported)
        try pool.cloneVolume(reference, as: VolumeDefinition("copy", nil))
        #expect(try scratch.bytes("images/copy") == bytes)
    }

    @Test func holesStayHoles() throws {
        let pool = try scratch.runningPool()
        let size: UInt64 = 20 << 30
        let file = try OpenFile("\(scratch.path)/images/source", [.readWrite, .create], mode: 0o600)
        try file.setSize(ByteCount(size))
        var numbers = SeededNumbers(seed: 11)
        for number in 0..<8 as Range<UInt64> {
            try file.write(numbers.bytes(200_000), at: ByteCount(number * 2_500_000_123))
        }
        let allocation = try scratch.allocation("images/source")
        for target in Self.targets where target.preallocation == nil && target.format != .bochs {
            var definition = VolumeDefinition("copy.img", nil, target.format)
            (definition.subformat, definition.compression) = (target.subformat, target.compression)
            let copy = try pool.cloneVolume(VolumeReference(pool: "images", name: "source"), as: definition)
            var taken = copy.allocation.bytes
            if target.subformat == "monolithicFlat" { taken += try scratch.allocation("images/copy-flat.img") }
            // Blocks of the formats are up to 2 MiB large (a VHD's), or 32 MiB (VHDX), and the tables come on top.
            let unit: UInt64 = target.format == .vhdx && target.subformat == nil ? 32 << 20 : 2 << 20
            let tables: UInt64 = target.format == .cow ? size / 4096 + (1 << 20) : 10 << 20
            #expect(taken <= allocation + 8 * unit + tables, "\(target): \(taken) of \(allocation)")
            try pool.deleteVolume(named: "copy.img")
        }
        // Zeros that an image holds are none in the copy.
        try scratch.qemuImage("create -f qcow2 images/zeros 1G")
        try scratch.run("qemu-io", ["-f", "qcow2", "-c", "write -z 0 1G", "-c", "write -P 1 1M 64k", "images/zeros"])
        for format in [VolumeFormat.raw, .qcow2] {
            let copy = try pool.cloneVolume(
                VolumeReference(pool: "images", name: "zeros"),
                as: VolumeDefinition("copy", nil, format)
            )
            #expect(copy.allocation.bytes < 1 << 20)
            try pool.deleteVolume(named: "copy")
        }
        // A sparse volume may be larger than the storage, and its copy too.
        try pool.createVolume(VolumeDefinition("huge", 4 << 40))
        let plan = try scratch.manager()
            .plan(
                .cloneVolume(
                    pool: "images",
                    definition: VolumeDefinition(name: "copy", capacity: nil),
                    source: VolumeReference(pool: "images", name: "huge")
                )
            )
        #expect(
            plan.description.hasPrefix(
                "create file \(scratch.path)/images/copy: raw, 4.00 TiB, holes kept, mode 0600\n"
            )
        )
        #expect(try scratch.manager().apply(plan)?.allocation == .zero)
    }

    @Test func preallocatedCopies() throws {
        let pool = try scratch.runningPool()
        try scratch.makeDisk("images/source", size: 3_000_000, seed: 12)
        for (format, preallocation) in [
            (VolumeFormat.raw, ImagePreallocation.falloc), (.raw, .full), (.qcow2, .falloc), (.qcow2, .full),
            (.qcow2, .metadata),
        ] {
            var definition = VolumeDefinition("copy", 5_000_000, format)
            definition.preallocation = preallocation
            let copy = try pool.cloneVolume(VolumeReference(pool: "images", name: "source"), as: definition)
            let context = "\(format) \(preallocation)"
            if preallocation != .metadata { #expect(copy.allocation.bytes >= 5_000_000 / 4096 * 4096, "\(context)") }
            try scratch.qemuImage("compare -f raw -F \(format) images/source images/copy")
            if format == .qcow2 { try scratch.qemuImage("check -f qcow2 images/copy") }
            try pool.deleteVolume(named: "copy")
        }
        var definition = VolumeDefinition("copy", nil, .qcow2)
        (definition.preallocation, definition.compression) = (.metadata, .zstd)
        let error = scratch.refusal {
            try pool.cloneVolume(VolumeReference(pool: "images", name: "source"), as: definition)
        }
        #expect(error?.message == "an image of format 'qcow2' has no preallocation beside compressed clusters")
    }

    // MARK: What is refused

    @Test func refusals() throws {
        let (manager, pool) = try twoPools()
        try pool.createVolume(VolumeDefinition("source", 1_000_000))
        let reference = VolumeReference(pool: "images", name: "source")
        func refused(_ definition: VolumeDefinition, of source: VolumeReference? = nil) -> StorageError? {
            scratch.refusal(definition.name) { try pool.cloneVolume(source ?? reference, as: definition) }
        }
        #expect(
            refused(VolumeDefinition("copy", 999_999))?.message
                == "volume 'copy' of 999999 bytes does not hold the 1000000 bytes of 'source'"
        )
        var backed = VolumeDefinition("copy", nil, .qcow2)
        backed.backingFile = BackingFile(path: "source")
        #expect(refused(backed)?.code == .notSupported)
        for (name, code) in [
            ("source", StorageError.Code.volumeExists), ("a/b", .invalidName), (".storlib-x", .invalidName),
        ] {
            #expect(refused(VolumeDefinition(name, nil))?.code == code, "\(name)")
        }
        for format in [VolumeFormat.cloop, .dmg, .iso, .qed, .parallels, .dir] {
            #expect(refused(VolumeDefinition("copy", nil, format))?.code == .notSupported, "\(format)")
        }
        var compressed = VolumeDefinition("copy", nil)
        compressed.compression = .zstd
        #expect(refused(compressed)?.code == .notSupported)
        try FileManager.default.createDirectory(
            atPath: "\(scratch.path)/images/folder",
            withIntermediateDirectories: false
        )
        for (name, code) in [("folder", StorageError.Code.notSupported), ("absent", .volumeNotFound)] {
            #expect(
                refused(VolumeDefinition("copy", nil), of: VolumeReference(pool: "images", name: name))?.code == code
            )
        }
        #expect(
            refused(VolumeDefinition("copy", nil), of: VolumeReference(pool: "none", name: "a"))?.code == .poolNotFound
        )
        try manager.pool(named: "other").stop()
        #expect(
            refused(VolumeDefinition("copy", nil), of: VolumeReference(pool: "other", name: "a"))?.code
                == .poolNotRunning
        )
        try scratch.run("truncate", ["-s", "40M", "images/luks"])
        try scratch.write("secret", to: "key")
        try scratch.run(
            "../sbin/cryptsetup",
            [
                "luksFormat", "-q", "--type", "luks1", "--pbkdf-force-iterations", "1000", "images/luks", "key",
            ]
        )
        let luks = refused(VolumeDefinition("copy", nil), of: VolumeReference(pool: "images", name: "luks"))
        #expect(luks?.message.contains("is encrypted") == true)
        #expect(try scratch.names(in: "images") == ["folder", "luks", "source"])
    }

    @Test func aPlanIsStaleOnceTheSourceIsAnother() throws {
        let pool = try scratch.runningPool()
        try pool.createVolume(VolumeDefinition("source", 1000))
        let manager = scratch.manager()
        let change = Change.cloneVolume(
            pool: "images",
            definition: VolumeDefinition("copy", nil),
            source: VolumeReference(pool: "images", name: "source")
        )
        let plan = try manager.plan(change)
        #expect(try JSONDecoder().decode(Plan.self, from: JSONEncoder().encode(plan)) == plan)
        try pool.deleteVolume(named: "source")
        try pool.createVolume(VolumeDefinition("source", 1000))
        #expect(scratch.refusal { _ = try manager.apply(plan) }?.code == .stalePlan)
        #expect(try scratch.names(in: "images") == ["source"])
    }

    // MARK: What happens meanwhile

    @Test(arguments: [VolumeFormat.raw, .qcow2]) func aSourceThatIsCutWhileItIsRead(format: VolumeFormat) throws {
        let pool = try scratch.runningPool()
        try scratch.makeDisk("images/source", size: 12 << 20, seed: 13)
        let path = "\(scratch.path)/images/source"
        for compression in [nil, ImageCompression.zlib] where compression == nil || format == .qcow2 {
            var definition = VolumeDefinition("copy", nil, format)
            definition.compression = compression
            // The first report of a meter comes at once, later ones when a tenth of a second is over.
            let progress = ProgressMeter { _ in try? OpenFile(path, .readWrite).setSize(.mebibytes(1)) }
            let error = scratch.refusal {
                try pool.cloneVolume(
                    VolumeReference(pool: "images", name: "source"),
                    as: definition,
                    progress: progress
                )
            }
            #expect(error?.message.contains("became smaller while it was read") == true, "\(error?.description ?? "")")
            #expect(try scratch.names(in: "images") == ["source"])
            try scratch.makeDisk("images/source", size: 12 << 20, seed: 13)
        }
    }

    @Test(arguments: 1...4) func cancellationAtAnyMoment(seed: UInt64) async throws {
        var numbers = SeededNumbers(seed: seed)
        let pool = try await scratch.manager().define(scratch.directoryPool())
        try await pool.start(build: .standard)
        try scratch.makeDisk("images/source", size: 24 << 20, seed: seed)
        let before = try scratch.bytes("images/source")
        let targets = Self.targets.filter { [.raw, .qcow2, .vmdk, .vhdx].contains($0.format) }
        for (number, target) in targets.enumerated() {
            var definition = VolumeDefinition("copy.img", nil, target.format)
            (definition.subformat, definition.compression) = (target.subformat, target.compression)
            let pause = Duration.microseconds(Int.random(in: 0...40_000, using: &numbers))
            let transfer = await pool.cloneVolume(VolumeReference(pool: "images", name: "source"), as: definition)
            let error: StorageError?
            if number % 2 == 0 {
                try await Task.sleep(for: pause)
                transfer.cancel()
                error = await Self.error(of: transfer)
            } else {
                let task = Task { await Self.error(of: transfer) }
                try await Task.sleep(for: pause)
                task.cancel()
                error = await task.value
            }
            let context = "\(target), seed \(seed), \(pause)"
            if error == nil {
                let format = target.format.rawValue
                let (status, _) = try scratch.attempt(
                    "qemu-img",
                    ["compare", "-f", "raw", "-F", format, "images/source", "images/copy.img"]
                )
                #expect(status == 0, "\(context)")
                try await pool.deleteVolume(named: "copy.img")
            } else {
                #expect(error?.code == .cancelled, "\(context): \(error?.description ?? "")")
            }
            #expect(try scratch.names(in: "images") == ["source"], "\(context)")
        }
        #expect(try scratch.bytes("images/source") == before)
    }

    private static func error<Success>(of transfer: Transfer<Success>) async -> StorageError? {
        do throws(StorageError) {
            _ = try await transfer.value
            return nil
        } catch {
            return error
        }
    }

    @Test func ofTwoCopiesOfOneNameOneIsMade() async throws {
        let pool = try await scratch.manager().define(scratch.directoryPool())
        try await pool.start(build: .standard)
        try scratch.makeDisk("images/source", size: 8 << 20, seed: 1)
        for format in [VolumeFormat.raw, .qcow2, .vmdk] {
            var definition = VolumeDefinition("copy.img", nil, format)
            if format == .vmdk { definition.subformat = "monolithicFlat" }
            let reference = VolumeReference(pool: "images", name: "source")
            let transfers = [
                await pool.cloneVolume(reference, as: definition), await pool.cloneVolume(reference, as: definition),
            ]
            var errors: [StorageError.Code] = []
            for transfer in transfers {
                if let error = await Self.error(of: transfer) { errors.append(error.code) }
            }
            // Of a volume of two files each may have met the other's first, and be undone.
            #expect(
                errors == [.volumeExists] || format == .vmdk && errors == [.volumeExists, .volumeExists],
                "\(format)"
            )
            if errors.count == 1 {
                try scratch.qemuImage("compare -f raw -F \(format) images/source images/copy.img")
                try await pool.deleteVolume(named: "copy.img")
            }
            #expect(try scratch.names(in: "images") == ["source"], "\(format)")
        }
    }

    @Test func aSourceThatIsWrittenToIsRefused() async throws {
        let pool = try await scratch.manager().define(scratch.directoryPool())
        try await pool.start(build: .standard)
        try await pool.createVolume(VolumeDefinition("base", 1 << 20))
        var definition = VolumeDefinition("top", nil, .qcow2)
        definition.backingFile = BackingFile(path: "base")
        try await pool.createVolume(definition)
        let held = HeldSource()
        let upload = await pool.uploadVolume(named: "base", from: held.source)
        try await held.waitUntilBegun()
        let process = ProcessInfo.processInfo.processIdentifier
        for name in ["base", "top"] {
            let transfer = await pool.cloneVolume(
                VolumeReference(pool: "images", name: name),
                as: VolumeDefinition("copy", nil)
            )
            let error = await Self.error(of: transfer)
            #expect(error?.code == .busy, "\(name)")
            #expect(error?.message.contains("volume '\(name)' of pool 'images' is in use by ") == true)
            #expect(error?.message.hasSuffix("(process \(process))") == true, "\(error?.message ?? "")")
            let map = await #expect(throws: StorageError.self) { _ = try await pool.mapVolume(named: name) }
            #expect(map?.code == .busy)
        }
        let check = await #expect(throws: StorageError.self) { _ = try await pool.checkVolume(named: "base") }
        #expect(check?.code == .busy)
        #expect(try await pool.volumes().map(\.name) == ["base", "top"])
        held.release()
        _ = try await upload.value
        _ = try await pool.cloneVolume(VolumeReference(pool: "images", name: "top"), as: VolumeDefinition("copy", nil))
            .value
    }

    @Test func nobodyWritesToASourceThatIsCopied() throws {
        let (manager, pool) = try twoPools()
        try scratch.makeDisk("images/source", size: 4 << 20, seed: 2)
        let codes = Mutex<[StorageError.Code?]>([])
        let names = Mutex<[String]>([])
        // The handler runs while the copy does.
        let progress = ProgressMeter { _ in
            guard codes.withLock({ $0.isEmpty }) else { return }
            for body in [
                { try pool.uploadVolume(named: "source", from: Chunks([1]).source) },
                { try pool.wipeVolume(named: "source", isForced: true) },
                { try pool.resizeVolume(named: "source", to: VolumeSize(.mebibytes(5))) },
                { try pool.deleteVolume(named: "source") },
            ] as [() throws -> Any] {
                var code: StorageError.Code?
                do { _ = try body() } catch { code = (error as? StorageError)?.code }
                codes.withLock { $0.append(code) }
            }
            let volumes = (try? pool.volumes().map(\.name)) ?? []
            names.withLock { $0 = volumes }
        }
        try manager.pool(named: "other")
            .cloneVolume(
                VolumeReference(pool: "images", name: "source"),
                as: VolumeDefinition("copy", nil, .qcow2),
                progress: progress
            )
        #expect(codes.withLock { $0 } == [.busy, .busy, .busy, .busy])
        #expect(names.withLock { $0 } == ["source"])
        try scratch.qemuImage("compare -f raw -F qcow2 images/source other/copy")
    }

    @Test func progressEndsAtTheTotal() async throws {
        let pool = try await scratch.manager().define(scratch.directoryPool())
        try await pool.start(build: .standard)
        try scratch.makeDisk("images/source", size: 10 << 20, seed: 3)
        try await pool.createVolume(VolumeDefinition("empty", 0))
        try scratch.qemuImage("create -f qcow2 -b source -F raw images/top 12M")
        for (name, size) in [("source", 10 << 20), ("top", 12 << 20), ("empty", 0)] as [(String, UInt64)] {
            for target in Self.targets where target.format != .vmdk || size > 0 {
                var definition = VolumeDefinition("copy.img", nil, target.format)
                (definition.subformat, definition.compression) = (target.subformat, target.compression)
                let transfer = await pool.cloneVolume(VolumeReference(pool: "images", name: name), as: definition)
                var all: [TransferProgress] = []
                for await progress in transfer.progress { all.append(progress) }
                guard await Self.error(of: transfer) == nil else {
                    // No format has images of no bytes at all but these.
                    #expect(size == 0 && ![.raw, .qcow2].contains(target.format), "\(name) to \(target)")
                    continue
                }
                let last = try #require(all.last)
                #expect(last.done.bytes == size && last.total == last.done, "\(name) to \(target): \(last)")
                #expect(zip(all, all.dropFirst()).allSatisfy { $0.done <= $1.done })
                try await pool.deleteVolume(named: "copy.img")
            }
        }
    }
}
