import Foundation
import StorageKit
import StorageTesting
import Testing

/// Definitions, marks, what runs, and what several programs see of it.
struct StorageManagerTests {
    private let scratch = Scratch()

    @Test func theMainJob() throws {
        let manager = scratch.manager()
        let pool = try manager.define(scratch.directoryPool())
        #expect(try pool.info().state == .inactive)
        try pool.start(build: .standard)
        let volume = try pool.createVolume(
            VolumeDefinition(name: "a.img", capacity: .gibibytes(10), allocation: .zero)
        )
        #expect(volume.capacity == .gibibytes(10))
        #expect(volume.allocation == .zero)
        try pool.resizeVolume(named: "a.img", to: VolumeSize(.gibibytes(20)))
        #expect(try pool.volumes().map(\.capacity) == [.gibibytes(20)])
        try pool.deleteVolume(named: "a.img")
        try pool.stop()
        try pool.delete()
        try pool.undefine()
        #expect(try manager.pools().isEmpty)
        #expect(try scratch.names(in: "").contains("images") == false)
    }

    @Test func theMainJobAsynchronously() async throws {
        let manager = scratch.manager()
        let pool = try await manager.define(scratch.directoryPool())
        try await pool.start(build: .standard)
        try await pool.createVolume(VolumeDefinition(name: "a", capacity: .mebibytes(1)))
        let volumes = try await pool.volumes()
        #expect(volumes.map(\.name) == ["a"])
        let found = try await manager.volume(path: volumes[0].path)
        #expect(found.pool.name == "images")
        try await pool.stop()
        await #expect(throws: StorageError.self) { try await pool.volumes() }
    }

    @Test func aPoolGetsAUUIDAndKeepsIt() throws {
        let manager = scratch.manager()
        let uuid = try #require(try manager.define(scratch.directoryPool()).definition().uuid)
        #expect(try manager.define(scratch.directoryPool()).definition().uuid == uuid)
        #expect(try manager.pool(uuid: uuid).name == "images")
        var other = scratch.directoryPool()
        other.uuid = .random()
        let error = #expect(throws: StorageError.self) { try manager.define(other) }
        #expect(error?.code == .poolExists)
        #expect(error?.message.contains("'images'") == true)
    }

    @Test func namesUUIDsAndSourcesAreUnique() throws {
        let manager = scratch.manager()
        try manager.define(scratch.directoryPool())
        var sameUUID = scratch.directoryPool("other")
        sameUUID.uuid = try manager.pool(named: "images").definition().uuid
        var sameSource = scratch.directoryPool("other")
        sameSource.targetPath = scratch.path + "/images"
        for definition in [sameUUID, sameSource] {
            let error = #expect(throws: StorageError.self) { try manager.define(definition) }
            #expect(error?.code == .poolExists)
            #expect(error?.message.contains("pool 'images'") == true)
        }
        // The same directory by another name.
        try manager.pool(named: "images").build()
        try FileManager.default.createSymbolicLink(
            atPath: scratch.path + "/link",
            withDestinationPath: scratch.path + "/images"
        )
        sameSource.targetPath = scratch.path + "/link"
        #expect(throws: StorageError.self) { try manager.define(sameSource) }
        #expect(try manager.pools().map(\.name) == ["images"])
    }

    @Test func aTransientPoolIsGoneAfterItsStop() throws {
        let manager = scratch.manager()
        let pool = try manager.create(scratch.directoryPool(), build: .standard)
        let info = try pool.info()
        #expect(info.state == .running)
        #expect(!info.isPersistent)
        #expect(throws: StorageError.self) { try pool.setAutostart(true) }
        #expect(throws: StorageError.self) { try pool.undefine() }
        #expect(throws: StorageError.self) { try manager.create(scratch.directoryPool()) }
        try pool.stop()
        let error = #expect(throws: StorageError.self) { try pool.info() }
        #expect(error?.code == .poolNotFound)
    }

    @Test func aTransientPoolThatIsDefinedStays() throws {
        let manager = scratch.manager()
        let pool = try manager.create(scratch.directoryPool(), build: .standard)
        try manager.define(scratch.directoryPool())
        try pool.stop()
        #expect(try pool.info().state == .inactive)
    }

    @Test func aRunningPoolKeepsItsDefinitionUntilItStops() throws {
        let manager = scratch.manager()
        let pool = try manager.define(scratch.directoryPool())
        try pool.start(build: .standard)
        var changed = scratch.directoryPool()
        changed.targetPath = scratch.path + "/elsewhere"
        try manager.define(changed)
        #expect(try pool.definition().targetPath == scratch.path + "/images")
        #expect(try pool.definition(forNextStart: true).targetPath == scratch.path + "/elsewhere")
        // The source that runs is still taken.
        var thief = scratch.directoryPool("thief")
        thief.targetPath = scratch.path + "/images"
        #expect(throws: StorageError.self) { try manager.define(thief) }
        try pool.stop()
        #expect(try pool.definition().targetPath == scratch.path + "/elsewhere")
    }

    @Test func statesAreEnforced() throws {
        let manager = scratch.manager()
        let pool = try manager.define(scratch.directoryPool())
        func code(_ body: () throws -> Void) -> StorageError.Code? {
            #expect(throws: StorageError.self) { try body() }?.code
        }
        #expect(code { try pool.stop() } == .poolNotRunning)
        #expect(code { _ = try pool.volumes() } == .poolNotRunning)
        #expect(code { try pool.refresh() } == .poolNotRunning)
        #expect(code { try pool.start() } == .notFound)
        try pool.start(build: .standard)
        #expect(code { try pool.start() } == .poolRunning)
        #expect(code { try pool.build() } == .poolRunning)
        #expect(code { try pool.delete() } == .poolRunning)
        #expect(code { try pool.undefine() } == .poolRunning)
        #expect(code { _ = try manager.pool(named: "absent") } == .poolNotFound)
        #expect(code { _ = try manager.pool(named: "../../etc/passwd") } == .invalidName)
        try pool.refresh()
    }

    @Test func kindsWithoutABackendAreDefinedAndSaySoWhenStarted() throws {
        let manager = scratch.manager()
        var definition = PoolDefinition(kind: .zfs, name: "tank")
        definition.source.name = "tank"
        let pool = try manager.define(definition)
        let error = #expect(throws: StorageError.self) { try pool.start() }
        #expect(error?.code == .notSupported)
        #expect(error?.message.contains("'zfs'") == true)
        #expect(try pool.xml().contains("<path>/dev/zvol/tank</path>"))
    }

    @Test func capabilitiesAreThoseOfTheBackends() throws {
        let capabilities = scratch.manager().capabilities
        #expect(capabilities.map(\.kind) == PoolKind.allCases)
        let directory = try #require(capabilities.first { $0.kind == .directory })
        #expect(directory.operations == PoolOperation.allCases)
        #expect(directory.creatableFormats == [.raw, .bochs, .cow, .qcow, .qcow2, .vdi, .vhdx, .vmdk, .vpc])
        #expect(capabilities.filter(\.isSupported).map(\.kind) == [.directory])
        #expect(capabilities.xml().hasPrefix("<storagepoolCapabilities>\n  <pool type='dir' supported='yes'>\n"))
    }

    @Test func autostartStartsWhatIsMarked() throws {
        let manager = scratch.manager()
        let good = try manager.define(scratch.directoryPool("good"))
        try good.build()
        let bad = try manager.define(scratch.directoryPool("bad"))
        _ = try manager.define(scratch.directoryPool("unmarked"))
        try good.setAutostart(true)
        try good.setAutostart(true)
        try bad.setAutostart(true)
        #expect(try good.info().isAutostarted)
        let starts = try manager.startMarkedPools()
        #expect(starts.map(\.pool) == ["bad", "good"])
        #expect(starts[0].problem?.contains("does not exist") == true)
        #expect(starts[1].problem == nil)
        #expect(try good.info().state == .running)
        try bad.setAutostart(false)
        #expect(try !bad.info().isAutostarted)
        try good.stop()
        try good.undefine()
        #expect(try scratch.names(in: "config/pools/autostart").isEmpty)
    }

    @Test func aDamagedFileHarmsNoOtherPool() throws {
        let manager = scratch.manager()
        try manager.define(scratch.directoryPool("good"))
        try manager.define(scratch.directoryPool("bad"))
        try scratch.write("<pool type='dir'><na", to: "config/pools/bad.xml")
        try scratch.write(
            try manager.pool(named: "good").xml().replacing("good", with: "liar"),
            to: "config/pools/misnamed.xml"
        )
        let infos = try manager.pools().map { try $0.info() }
        #expect(infos.map(\.state) == [.damaged, .inactive, .damaged])
        #expect(infos[0].problem?.contains("bad.xml:1:") == true)
        #expect(infos[2].problem?.contains("names another pool, 'liar'") == true)
        let bad = try manager.pool(named: "bad")
        let error = #expect(throws: StorageError.self) { try bad.start() }
        #expect(error?.code == .damagedState)
        try manager.pool(named: "good").start(build: .standard)
        // The way out that the error names.
        try manager.define(scratch.directoryPool("bad"))
        #expect(try bad.info().state == .inactive)
        try manager.pool(named: "misnamed").undefine()
        #expect(try manager.pools().map(\.name) == ["bad", "good"])
    }

    @Test func aDamagedRunStateCanBeStopped() throws {
        let manager = scratch.manager()
        let pool = try manager.define(scratch.directoryPool())
        try pool.start(build: .standard)
        try scratch.write("", to: "run/pools/images.xml")
        #expect(try pool.info().state == .damaged)
        #expect(throws: StorageError.self) { try pool.volumes() }
        try pool.stop()
        #expect(try pool.info().state == .inactive)
    }

    @Test func aStalePlanIsRefused() throws {
        let manager = scratch.manager()
        let pool = try manager.define(scratch.directoryPool())
        let start = try manager.plan(.start(pool: "images", build: .standard))
        #expect(start.description.hasPrefix("make directory \(scratch.path)/images: mode 0711\n"))
        try pool.build()
        let error = #expect(throws: StorageError.self) { try manager.apply(start) }
        #expect(error?.code == .stalePlan)
        #expect(try pool.info().state == .inactive)
        let again = try manager.plan(.start(pool: "images", build: .standard))
        let json = try JSONEncoder().encode(again)
        try manager.apply(JSONDecoder().decode(Plan.self, from: json))
        #expect(try pool.info().state == .running)
    }

    @Test func aLockedPoolIsBusyPastTheDeadline() throws {
        let manager = scratch.manager(lockTimeout: .milliseconds(50))
        let pool = try manager.define(scratch.directoryPool())
        try pool.start(build: .standard)
        let file = try OpenFile(scratch.path + "/run/pools/images.lock", .readWrite)
        #expect(try file.tryLock(exclusive: true))
        for body in [{ _ = try pool.volumes() }, { try pool.stop() }] as [() throws -> Void] {
            let error = #expect(throws: StorageError.self) { try body() }
            #expect(error?.code == .busy)
            let holder = "(process \(ProcessInfo.processInfo.processIdentifier))"
            #expect(error?.message.hasPrefix("pool 'images' is locked by ") == true)
            #expect(error?.message.hasSuffix(holder) == true)
        }
        // What needs no storage is not held up, and neither are other pools.
        #expect(try manager.pools().map { try $0.info().state } == [.running])
        try manager.define(scratch.directoryPool("other"))
    }

    @Test func manyDefineAtOnceAndOneWins() async throws {
        let scratch = scratch
        let winners = await withTaskGroup(of: Bool.self) { group in
            for number in 0..<16 {
                group.addTask {
                    var definition = scratch.directoryPool("pool\(number)")
                    definition.targetPath = scratch.path + "/shared"
                    return (try? await scratch.manager(lockTimeout: .seconds(20)).define(definition)) != nil
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(winners == 1)
        let pools = try await scratch.manager().pools()
        #expect(pools.count == 1)
    }

    @Test func whatAKilledProgramLeftInTheStateIsRemoved() throws {
        let manager = scratch.manager()
        try manager.define(scratch.directoryPool())
        let left = scratch.path + "/config/pools/.storlib-replacement-1"
        try scratch.write("<pool", to: "config/pools/.storlib-replacement-1")
        try manager.define(scratch.directoryPool("young"))
        #expect(FileManager.default.fileExists(atPath: left))
        try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSinceNow: -100)], ofItemAtPath: left)
        try manager.define(scratch.directoryPool("old"))
        #expect(!FileManager.default.fileExists(atPath: left))
    }

    @Test func twoNamesOfADirectoryDoNotRunAtOnce() throws {
        let manager = scratch.manager()
        var other = scratch.directoryPool("other")
        other.targetPath = scratch.path + "/./images"
        try manager.define(scratch.directoryPool())
        try manager.define(other)
        try manager.pool(named: "images").start(build: .standard)
        let error = #expect(throws: StorageError.self) { try manager.pool(named: "other").start() }
        #expect(error?.code == .poolExists)
    }

    @Test func textThatNoDocumentHoldsIsRefused() throws {
        var definition = scratch.directoryPool()
        definition.source.vendor = "a\u{FFFF}"
        #expect(throws: StorageError.self) { try scratch.manager().define(definition) }
        definition.source.vendor = "a\rb"
        #expect(throws: StorageError.self) { try scratch.manager().define(definition) }
        #expect(try scratch.manager().pools().isEmpty)
    }

    @Test func anImportLeavesWhatIsThere() throws {
        let manager = scratch.manager()
        try FileManager.default.createDirectory(atPath: scratch.path + "/libvirt", withIntermediateDirectories: true)
        try scratch.write(scratch.directoryPool("a").xml(), to: "libvirt/a.xml")
        #expect(try manager.importPools(from: scratch.path + "/libvirt").map(\.outcome) == [.imported])
        var changed = scratch.directoryPool("a")
        changed.targetPath = scratch.path + "/changed"
        try manager.define(changed)
        #expect(try manager.importPools(from: scratch.path + "/libvirt").map(\.outcome) == [.alreadyDefined])
        #expect(try manager.pool(named: "a").definition().targetPath == scratch.path + "/changed")
    }

    @Test func anUnwritableStateFolderChangesNothing() throws {
        let manager = StorageManager(folders: StateFolders(configuration: "/proc/storlib", run: scratch.path + "/run"))
        let error = #expect(throws: StorageError.self) { try manager.define(scratch.directoryPool()) }
        #expect(error?.description.contains("/proc/storlib") == true)
    }

    @Test func libvirtsDefinitionsAreImported() throws {
        let manager = scratch.manager()
        let folder = scratch.path + "/libvirt"
        try FileManager.default.createDirectory(atPath: folder + "/autostart", withIntermediateDirectories: true)
        for name in ["marked", "unmarked"] {
            var definition = scratch.directoryPool(name)
            definition.uuid = .random()
            try scratch.write("<!--\nWARNING: AUTO-GENERATED\n-->\n\n" + definition.xml(), to: "libvirt/\(name).xml")
        }
        try scratch.write("<pool type='future'/>", to: "libvirt/new.xml")
        try FileManager.default.createSymbolicLink(
            atPath: folder + "/autostart/marked.xml",
            withDestinationPath: folder + "/marked.xml"
        )
        let wouldBe = try manager.importPools(from: folder, dryRun: true)
        #expect(wouldBe.map(\.outcome) == [.imported, .failed, .imported])
        #expect(try manager.pools().isEmpty)
        let imports = try manager.importPools(from: folder)
        #expect(imports.map(\.outcome) == [.imported, .failed, .imported])
        #expect(imports[1].problem?.contains("'future' is not known") == true)
        #expect(try manager.pools().map { try $0.info().isAutostarted } == [true, false])
        #expect(try manager.importPools(from: folder).map(\.outcome) == [.alreadyDefined, .failed, .alreadyDefined])
    }
}
