import Foundation
import StorageKit
import Testing

/// The code of the guides and of README, compiled and run; and the proof that it is the same code.
struct GuideTests {
    private let scratch = Scratch()

    @Test func yourFirstPool() async throws {
        let folders = scratch.folders
        let path = scratch.path + "/images"

        let manager = StorageManager(folders: folders)

        let definition = PoolDefinition(kind: .directory, name: "images", targetPath: path)
        let pool = try await manager.define(definition)
        try await pool.start(build: .standard)

        let fromDocument = try PoolDefinition(
            xml: "<pool type='dir'><name>images</name><target><path>\(path)</path></target></pool>",
            source: "images.xml"
        )
        #expect(fromDocument == definition)

        let volume = try await pool.createVolume(
            VolumeDefinition(name: "disk.img", capacity: .gibibytes(10), allocation: .zero)
        )
        print(volume.path, volume.capacity)
        try await pool.resizeVolume(named: "disk.img", to: VolumeSize(.gibibytes(20)))
        for volume in try await pool.volumes() {
            print(volume.name, volume.allocation)
        }

        let plan = try await manager.plan(.deleteVolume(pool: "images", name: "disk.img"))
        print(plan)
        try await manager.apply(plan)

        let events = try await pool.events()
        try await pool.stop()
        for try await event in events {
            print(event.change)
            if event.change == .stopped { break }
        }
    }

    @Test func errors() async throws {
        let pool = try await scratch.manager().define(scratch.directoryPool())
        try await pool.start(build: .standard)
        try await pool.createVolume(VolumeDefinition(name: "disk.img", capacity: .zero))

        do {
            try await pool.createVolume(VolumeDefinition(name: "disk.img", capacity: .gibibytes(10)))
        } catch {
            switch error.code {
            case .volumeExists: print("it is there already")
            case .noSpace: print("there is not enough room")
            default: throw error
            }
        }

        do {
            _ = try PoolDefinition(xml: "<pool type='dir'>\n  <name>a/b</name>\n</pool>", source: "pool.xml")
        } catch {
            print(error)
            print(error.message, error.context.line ?? 0, error.context.column ?? 0)
        }
        let error = #expect(throws: StorageError.self) {
            try PoolDefinition(xml: "<pool type='dir'>\n  <name>a/b</name>\n</pool>", source: "pool.xml")
        }
        #expect(error?.description == "pool.xml:2:3: pool name 'a/b' cannot be used: it contains '/'")
    }

    @Test func transfers() async throws {
        let pool = try await scratch.manager().define(scratch.directoryPool())
        try await pool.start(build: .standard)
        try await pool.createVolume(VolumeDefinition(name: "disk.img", capacity: .mebibytes(2)))
        let (image, part) = (scratch.path + "/image", scratch.path + "/part")
        try scratch.write(String(repeating: "data", count: 100_000), to: "image")

        let upload = await pool.uploadVolume(named: "disk.img", from: .file(image), TransferOptions(isSparse: true))
        for await progress in upload.progress {
            print(progress.done, progress.total ?? .zero, progress.rate, progress.remaining ?? .zero)
        }
        let volume = try await upload.value
        #expect(volume.problem == nil)

        let options = TransferOptions(offset: .mebibytes(1), length: .kibibytes(64))
        _ = try await pool.downloadVolume(named: "disk.img", to: .file(part), options).value
        _ = try await pool.uploadVolume(named: "disk.img", from: .file(part), options).value

        _ = try await pool.wipeVolume(named: "disk.img", .nnsa).value
        #expect(try scratch.bytes("images/disk.img") == [UInt8](repeating: 0, count: 2 << 20))
    }

    @Test func diskImages() async throws {
        let pool = try await scratch.manager().define(scratch.directoryPool())
        try await pool.start(build: .standard)
        try scratch.write([UInt8](repeating: 7, count: 3 << 20), to: "images/golden.img")
        try await pool.declareVolume(named: "golden.img", format: .raw)

        var definition = VolumeDefinition(name: "disk.qcow2", capacity: nil, format: .qcow2)
        definition.backingFile = BackingFile(path: "golden.img", format: .raw)
        let volume = try await pool.createVolume(definition)
        print(volume.capacity, volume.image?.compatibility ?? "-", volume.definition.backingFile?.path ?? "-")
        #expect(volume.capacity == .mebibytes(3))
        #expect(volume.image?.compatibility == "1.1")
        #expect(volume.definition.backingFile?.path == scratch.path + "/images/golden.img")

        let clone = await pool.cloneVolume(
            VolumeReference(pool: "images", name: "disk.qcow2"),
            as: VolumeDefinition(name: "copy.vmdk", capacity: nil, format: .vmdk)
        )
        for await progress in clone.progress {
            print(progress.done, progress.total ?? .zero, progress.rate, progress.remaining ?? .zero)
        }
        let copy = try await clone.value
        #expect(copy.capacity == volume.capacity)
        #expect(copy.image?.subformat == "monolithicSparse")
        #expect(copy.definition.backingFile == nil)
        #expect(copy.allocation >= .mebibytes(3))

        let check = try await pool.checkVolume(named: "disk.qcow2", repairingLeaks: true)
        for finding in check.findings {
            print(finding.kind, finding.offset, finding.message)
        }
        let map = try await pool.mapVolume(named: "disk.qcow2")
        for entry in map.entries where entry.kind == .data {
            print(entry.start, entry.length, map.layers[entry.layer ?? 0], entry.offset ?? .zero)
        }
        #expect(check.isClean)
        #expect(map.entries.map(\.layer) == [1])
        #expect(map.entries.map(\.length) == [.mebibytes(3)])

        let bytes = try scratch.bytes("images/disk.qcow2")
        try scratch.write(bytes, to: "images/old.qcow2")
        #expect(try await pool.volume(named: "old.qcow2").formatOrigin == .probed)

        try await pool.declareVolume(named: "old.qcow2", format: .qcow2)
        #expect(try await pool.volume(named: "old.qcow2").formatOrigin == .declared)
    }

    @Test func readme() async throws {
        let folders = scratch.folders
        let directory = scratch.path + "/images"

        let manager = StorageManager(folders: folders)
        let pool = try await manager.define(
            PoolDefinition(kind: .directory, name: "images", targetPath: directory)
        )
        try await pool.start(build: .standard)
        try await pool.createVolume(VolumeDefinition(name: "disk.img", capacity: .gibibytes(10), allocation: .zero))
        for volume in try await pool.volumes() {
            print(volume.name, volume.capacity, volume.path)
        }
    }

    /// Each block of Swift in a guide stands, line by line, in this file.
    @Test(arguments: [
        "Sources/StorageKit/StorageKit.docc/YourFirstPool.md", "Sources/StorageKit/StorageKit.docc/Errors.md",
        "Sources/StorageKit/StorageKit.docc/Transfers.md", "Sources/StorageKit/StorageKit.docc/DiskImages.md",
        "README.md",
    ])
    func theGuidesAreThisCode(file: String) throws {
        func lines(_ text: String) -> [String] {
            text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
        }
        let here = lines(try String(contentsOfFile: #filePath, encoding: .utf8)).joined(separator: "\n")
        let text = try String(contentsOf: fixtures("../../\(file)"), encoding: .utf8)
        let blocks = text.components(separatedBy: "```swift\n").dropFirst()
            .compactMap {
                $0.components(separatedBy: "\n```").first
            }
        #expect(!blocks.isEmpty)
        for block in blocks where !block.hasPrefix("// Package.swift") && !block.hasPrefix("import") {
            #expect(here.contains(lines(block).joined(separator: "\n")), "\(file):\n\(block)")
        }
    }
}
