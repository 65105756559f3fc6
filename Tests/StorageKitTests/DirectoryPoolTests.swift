import Foundation
import StorageKit
import StorageTesting
import Testing

/// Directory pools on a real file system.
struct DirectoryPoolTests {
    private let scratch = Scratch()

    private func runningPool() throws -> StoragePool {
        let pool = try scratch.manager().define(scratch.directoryPool())
        try pool.start(build: .standard)
        return pool
    }

    private func mode(_ path: String) throws -> UInt16 {
        try #require(FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber).uint16Value
    }

    @Test func theDirectoryGetsItsMode() throws {
        var definition = scratch.directoryPool()
        definition.targetPath = scratch.path + "/a/b/images"
        let pool = try scratch.manager().define(definition)
        try pool.build()
        #expect(try mode(scratch.path + "/a/b/images") == 0o711)
        definition.permissions.mode = 0o750
        try scratch.manager().define(definition)
        try pool.build()
        #expect(try mode(scratch.path + "/a/b/images") == 0o750)
        let error = #expect(throws: StorageError.self) {
            try scratch.write("x", to: "a/b/images/x")
            try pool.build(.noOverwrite)
        }
        #expect(error?.code == .notEmpty)
    }

    @Test func aFailedBuildLeavesNothing() throws {
        var definition = scratch.directoryPool()
        definition.targetPath = scratch.path + "/a/b"
        definition.copyOnWrite = true
        let pool = try scratch.manager().define(definition)
        let directory = try OpenFile(scratch.path, [.readOnly, .directory])
        guard try !directory.isOnBtrfs() else { return }
        let error = #expect(throws: StorageError.self) { try pool.build() }
        #expect(error?.code == .notSupported)
        #expect(try !scratch.names(in: "").contains("a"))
    }

    @Test func aTargetThatIsAFileIsRefused() throws {
        try scratch.write("data", to: "images")
        let pool = try scratch.manager().define(scratch.directoryPool())
        for body in [{ try pool.build() }, { try pool.start() }, { try pool.delete() }] as [() throws -> Void] {
            let error = #expect(throws: StorageError.self) { try body() }
            #expect(error?.code == .notADirectory)
        }
        #expect(try String(contentsOfFile: scratch.path + "/images", encoding: .utf8) == "data")
    }

    @Test func aFullDirectoryIsNotDeleted() throws {
        let pool = try runningPool()
        try pool.createVolume(VolumeDefinition(name: "a", capacity: .mebibytes(1)))
        try pool.stop()
        let error = #expect(throws: StorageError.self) { try pool.delete() }
        #expect(error?.code == .notEmpty)
        #expect(try scratch.names(in: "images") == ["a"])
    }

    @Test(
        arguments: [
            (nil, 4 << 20), (0, 0), (1 << 20, 1 << 20), (100 << 20, 4 << 20),
        ] as [(UInt64?, UInt64)]
    )
    func volumesAreAllocatedAsAsked(allocation: UInt64?, expected: UInt64) throws {
        let pool = try runningPool()
        var definition = VolumeDefinition(
            name: "a",
            capacity: .mebibytes(4),
            allocation: allocation.map { ByteCount($0) }
        )
        definition.permissions.mode = 0o640
        let volume = try pool.createVolume(definition)
        #expect(volume.capacity == .mebibytes(4))
        #expect(volume.physicalSize == .mebibytes(4))
        #expect(volume.allocation.bytes == expected)
        #expect(volume.definition.permissions.mode == 0o640)
        #expect(try scratch.names(in: "images") == ["a"])
    }

    @Test func aVolumeOfNoBytesAndOneOfAnOddSize() throws {
        let pool = try runningPool()
        #expect(try pool.createVolume(VolumeDefinition(name: "none", capacity: .zero)).capacity == .zero)
        #expect(try pool.createVolume(VolumeDefinition(name: "odd", capacity: ByteCount(4097))).capacity.bytes == 4097)
        #expect(try mode(scratch.path + "/images/none") == 0o600)
    }

    @Test func volumesHaveKeysUUIDsAndTimes() throws {
        let pool = try runningPool()
        let volume = try pool.createVolume(VolumeDefinition(name: "a", capacity: .mebibytes(1)))
        #expect(volume.path == scratch.path + "/images/a")
        #expect(volume.key == volume.path)
        #expect(try pool.volume(key: volume.key) == volume)
        #expect(try pool.volume(path: volume.path) == volume)
        #expect(
            try pool.volume(path: scratch.path + "/../\(scratch.path.split(separator: "/").last ?? "")/images/a")
                == volume
        )
        #expect(volume.definition.uuid != nil)
        #expect(try pool.volume(named: "a").definition.uuid == volume.definition.uuid)
        let times = try #require(volume.timestamps)
        #expect(abs(Int64(Date().timeIntervalSince1970) - times.modified.seconds) < 100)
        #expect(times.born != nil)
        #expect(volume.xml().contains("<btime>\(times.born?.description ?? "")</btime>"))
        #expect(try scratch.manager().volume(key: volume.key).volume == volume)
        #expect(throws: StorageError.self) { try pool.volume(path: "/etc/passwd") }
    }

    @Test func whatIsNoVolumeIsPassedOver() throws {
        let pool = try runningPool()
        let folder = scratch.path + "/images"
        try scratch.write("12345", to: "images/file")
        try scratch.write("secret", to: "outside")
        try FileManager.default.createDirectory(atPath: folder + "/directory", withIntermediateDirectories: false)
        for (link, target) in [
            ("inside-link", "file"), ("outside-link", "../outside"), ("absolute-link", "/etc/passwd"),
            ("dangling-link", "nothing"), ("loop-link", "loop-link"),
        ] {
            try FileManager.default.createSymbolicLink(atPath: "\(folder)/\(link)", withDestinationPath: target)
        }
        #expect(unsafe mkfifo(folder + "/fifo", 0o600) == 0)
        try scratch.write("x", to: "images/control\nname")
        try scratch.write("x", to: "images/.storlib-unfinished-1")
        let volumes = try pool.volumes()
        #expect(volumes.map(\.name) == ["directory", "file", "inside-link"])
        #expect(volumes.map(\.definition.kind) == [.directory, .file, .file])
        for name in ["outside-link", "absolute-link", "fifo", "loop-link", "dangling-link"] {
            let error = #expect(throws: StorageError.self) { try pool.volume(named: name) }
            #expect(error?.code == .volumeNotFound, "\(name)")
            #expect(throws: StorageError.self) { try pool.resizeVolume(named: name, to: VolumeSize(.mebibytes(1))) }
            #expect(throws: StorageError.self) { try pool.deleteVolume(named: name) }
        }
        #expect(try String(contentsOfFile: scratch.path + "/outside", encoding: .utf8) == "secret")
        try pool.deleteVolume(named: "inside-link")
        try pool.deleteVolume(named: "directory")
        #expect(try pool.volumes().map(\.name) == ["file"])
    }

    @Test func leftoversOfAKilledCreationAreRemoved() throws {
        let pool = try runningPool()
        try scratch.write("x", to: "images/.storlib-unfinished-1")
        try scratch.write("x", to: "images/.storlib-unfinished-2")
        // One that is still being made is locked by its maker.
        let held = try OpenFile(scratch.path + "/images/.storlib-unfinished-2", .readWrite)
        #expect(try held.tryLock(exclusive: true))
        try pool.refresh()
        #expect(try scratch.names(in: "images") == [".storlib-unfinished-2"])
        _ = consume held
        try pool.stop()
        try pool.delete()
    }

    @Test func aVolumeIsNeverMadeOverAnotherFile() throws {
        let pool = try runningPool()
        try scratch.write("data", to: "images/a")
        let error = #expect(throws: StorageError.self) {
            try pool.createVolume(VolumeDefinition(name: "a", capacity: .mebibytes(1)))
        }
        #expect(error?.code == .volumeExists)
        #expect(try String(contentsOfFile: scratch.path + "/images/a", encoding: .utf8) == "data")
    }

    @Test func manyMakeTheSameVolumeAndOneWins() async throws {
        let pool = try runningPool()
        let winners = await withTaskGroup(of: Bool.self) { group in
            for number in 1...12 {
                group.addTask {
                    let definition = VolumeDefinition(name: "a", capacity: ByteCount(UInt64(number)), allocation: .zero)
                    return (try? await pool.createVolume(definition)) != nil
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(winners == 1)
        #expect(try scratch.names(in: "images") == ["a"])
    }

    @Test(arguments: [.dmg, .iso, .cloop, .dir] as [VolumeFormat])
    func formatsThatCannotBeMadeAreRefused(format: VolumeFormat) throws {
        let pool = try runningPool()
        let error = #expect(throws: StorageError.self) {
            try pool.createVolume(VolumeDefinition(name: "a", capacity: .mebibytes(1), format: format))
        }
        #expect(error?.code == .notSupported)
        #expect(try scratch.names(in: "images").isEmpty)
    }

    @Test func aVolumeLargerThanTheStorageIsRefusedUnlessSparse() throws {
        let pool = try runningPool()
        let error = #expect(throws: StorageError.self) {
            try pool.createVolume(VolumeDefinition(name: "a", capacity: .gibibytes(1 << 20)))
        }
        #expect(error?.code == .noSpace)
        #expect(try scratch.names(in: "images").isEmpty)
    }

    @Test func aCancelledCreationLeavesNothing() async throws {
        let pool = try runningPool()
        let task = Task {
            // Cancelled before it begins, and so at the first look.
            while !Task.isCancelled { await Task.yield() }
            return try await pool.createVolume(VolumeDefinition(name: "a", capacity: .mebibytes(64)))
        }
        task.cancel()
        let error = await #expect(throws: StorageError.self) { try await task.value }
        #expect(error?.code == .cancelled)
        #expect(try scratch.names(in: "images").isEmpty)
    }

    @Test func aVolumeInUseIsNeitherDeletedNorResized() throws {
        let pool = try runningPool()
        let volume = try pool.createVolume(VolumeDefinition(name: "a", capacity: .mebibytes(1)))
        let file = try OpenFile(volume.path, .readWrite)
        #expect(try file.tryLock(exclusive: true))
        for body in [
            { try pool.deleteVolume(named: "a") }, { try pool.resizeVolume(named: "a", to: VolumeSize(.mebibytes(2))) },
        ] as [() throws -> Void] {
            let error = #expect(throws: StorageError.self) { try body() }
            #expect(error?.code == .busy)
        }
        #expect(try pool.volume(named: "a").capacity == .mebibytes(1))
    }

    /// Swift holds both spellings of é for equal; they are two directories.
    @Test func pathsAreBytes() throws {
        for (name, spelling) in [("composed", "\u{E9}"), ("decomposed", "e\u{301}")] {
            let definition = PoolDefinition(kind: .directory, name: name, targetPath: scratch.path + "/" + spelling)
            let pool = try scratch.manager().define(definition)
            try pool.start(build: .standard)
            try pool.createVolume(VolumeDefinition(name: "a", capacity: .zero))
        }
        let found = try scratch.manager().volume(path: scratch.path + "/e\u{301}/a")
        #expect(found.pool.name == "decomposed")
        let composed = try scratch.manager().pool(named: "composed")
        #expect(throws: StorageError.self) { try composed.volume(path: scratch.path + "/e\u{301}/a") }
    }

    @Test func anOldPlanDoesNotDeleteANewVolume() throws {
        let pool = try runningPool()
        let manager = scratch.manager()
        try pool.createVolume(VolumeDefinition(name: "a", capacity: .mebibytes(1)))
        let plan = try manager.plan(.deleteVolume(pool: "images", name: "a"))
        try pool.deleteVolume(named: "a")
        try pool.createVolume(VolumeDefinition(name: "a", capacity: .mebibytes(1)))
        let error = #expect(throws: StorageError.self) { try manager.apply(plan) }
        #expect(error?.code == .stalePlan)
        #expect(try pool.volumes().count == 1)
    }

    @Test func differencesAreMeasuredWhenTheyAreMade() throws {
        let pool = try runningPool()
        try pool.createVolume(VolumeDefinition(name: "a", capacity: .mebibytes(1)))
        try pool.resizeVolume(named: "a", to: VolumeSize(.mebibytes(2), reference: .added))
        #expect(try pool.volume(named: "a").capacity == .mebibytes(3))
        try pool.resizeVolume(named: "a", to: VolumeSize(.mebibytes(1), reference: .removed, allowsShrinking: true))
        #expect(try pool.volume(named: "a").capacity == .mebibytes(2))
        #expect(throws: StorageError.self) {
            try pool.resizeVolume(named: "a", to: VolumeSize(ByteCount(.max), reference: .added))
        }
    }

    @Test func theDocumentOfARunningPoolSaysWhatIsReal() throws {
        let pool = try runningPool()
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: scratch.path + "/images")
        #expect(try pool.xml().contains("<mode>0700</mode>"))
        #expect(try !pool.xml(forNextStart: true).contains("<mode>"))
    }

    @Test func shrinkingIsAskedFor() throws {
        let pool = try runningPool()
        try pool.createVolume(VolumeDefinition(name: "a", capacity: .mebibytes(2)))
        let error = #expect(throws: StorageError.self) {
            try pool.resizeVolume(named: "a", to: VolumeSize(.mebibytes(1)))
        }
        #expect(error?.code == .invalidArgument)
        try pool.resizeVolume(named: "a", to: VolumeSize(.mebibytes(1), allowsShrinking: true))
        #expect(try pool.volume(named: "a").capacity == .mebibytes(1))
        try pool.resizeVolume(named: "a", to: VolumeSize(.mebibytes(3), allocates: true))
        #expect(try pool.volume(named: "a").allocation == .mebibytes(3))
        // The size that it has already.
        try pool.resizeVolume(named: "a", to: VolumeSize(.mebibytes(3)))
    }

    @Test func aMoreThanFullDirectoryListsWhatVanishes() async throws {
        let pool = try runningPool()
        let folder = scratch.path + "/images"
        let churn = Task.detached {
            while !Task.isCancelled {
                for number in 0..<50 {
                    _ = FileManager.default.createFile(atPath: "\(folder)/\(number)", contents: nil)
                }
                for number in 0..<50 { try? FileManager.default.removeItem(atPath: "\(folder)/\(number)") }
            }
        }
        for _ in 0..<200 { _ = try await pool.volumes() }
        churn.cancel()
        await churn.value
    }
}

/// The one body of tests that every backend passes.
struct ConformanceTests {
    @Test func directory() throws {
        let scratch = Scratch()
        var definition = scratch.directoryPool()
        definition.uuid = .random()
        try PoolBackendConformance(BackendProvider.directory.backend(for: definition)).run()
    }

    @Test func memory() throws {
        let storage = InMemoryStorage(capacity: .mebibytes(100))
        let definition = PoolDefinition(kind: .directory, name: "memory", targetPath: "/memory")
        try PoolBackendConformance(storage.backend(for: definition)).run()
    }

    /// The suite finds what is wrong: a backend that forgets to make what it was asked to.
    @Test func theSuiteCanFail() throws {
        let storage = InMemoryStorage(capacity: .zero)
        let definition = PoolDefinition(kind: .directory, name: "memory", targetPath: "/memory")
        #expect(throws: ConformanceFailure.self) {
            try PoolBackendConformance(storage.backend(for: definition)).run()
        }
    }

    @Test func aManagerRunsOnMemory() throws {
        let scratch = Scratch()
        let storage = InMemoryStorage(capacity: .gibibytes(1))
        let manager = scratch.manager(backends: [storage.provider(for: .logical)])
        var definition = PoolDefinition(kind: .logical, name: "vg")
        definition.source.name = "vg"
        let pool = try manager.define(definition)
        try pool.start(build: .standard)
        try pool.createVolume(VolumeDefinition(name: "lv", capacity: .mebibytes(1)))
        #expect(try pool.volumes().map(\.name) == ["lv"])
        #expect(try pool.info().usage?.available == ByteCount((1 << 30) - (1 << 20)))
    }
}
