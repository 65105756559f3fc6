import Foundation
import StorageKit
import Testing

/// Events of this program and of others.
struct PoolEventTests {
    private let scratch = Scratch()

    @Test(.timeLimit(.minutes(15))) func everyChangeIsAnEvent() async throws {
        let manager = scratch.manager()
        let events = try await manager.events()
        // Another manager stands for another program.
        let other = scratch.manager()
        let scratch = scratch
        let work = Task {
            let pool = try await other.define(scratch.directoryPool())
            try await pool.build()
            try await pool.start()
            // Until the watcher has the directory.
            try await Task.sleep(for: .seconds(1))
            try await pool.createVolume(VolumeDefinition(name: "a", capacity: .mebibytes(1)))
            try await pool.resizeVolume(named: "a", to: VolumeSize(.mebibytes(2)))
            try scratch.write("by hand", to: "images/b")
            try await pool.refresh()
            try await pool.deleteVolume(named: "a")
            try await pool.deleteVolume(named: "b")
            try await pool.stop()
            try await pool.delete()
            try await pool.undefine()
        }
        var seen: [String] = []
        for try await event in events {
            #expect(event.pool == "images")
            let text = [event.change.rawValue, event.volume].compactMap(\.self).joined(separator: " ")
            if seen.last != text { seen.append(text) }
            if event.change == .undefined { break }
        }
        try await work.value
        for expected in [
            "defined", "built", "started", "volumeCreated a", "volumeChanged a", "volumeCreated b", "refreshed",
            "volumeDeleted a", "volumeDeleted b", "stopped", "deleted", "undefined",
        ] {
            #expect(seen.contains(expected), "\(expected) is missing in \(seen)")
        }
        let order = ["defined", "built", "started", "volumeCreated a", "stopped", "deleted", "undefined"]
        #expect(seen.filter(order.contains) == order)
    }

    @Test(.timeLimit(.minutes(15))) func oneMayLookAtOnePool() async throws {
        let manager = scratch.manager()
        let pool = try await manager.define(scratch.directoryPool("mine"))
        let events = try await pool.events()
        try await manager.define(scratch.directoryPool("other"))
        try await pool.undefine()
        var seen: [PoolEvent] = []
        for try await event in events {
            seen.append(event)
            break
        }
        #expect(seen.map(\.pool) == ["mine"])
        #expect(seen.map(\.change) == [.undefined])
    }

    @Test(.timeLimit(.minutes(15))) func theWatchingEndsWithItsTask() async throws {
        let events = try await scratch.manager().events()
        let task = Task {
            var count = 0
            for try await _ in events { count += 1 }
            return count
        }
        try await Task.sleep(for: .milliseconds(50))
        task.cancel()
        #expect(try await task.value == 0)
    }

    /// Neither the thread nor its descriptors outlive the sequence.
    @Test(.timeLimit(.minutes(15))) func nothingIsLeftOfASequenceThatIsDropped() async throws {
        func inotifyDescriptors() throws -> Int {
            try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
                .count { name in
                    let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/" + name)
                    return target?.contains("inotify") == true
                }
        }
        let before = try inotifyDescriptors()
        for _ in 0..<20 { _ = try await scratch.manager().events() }
        // Other tests watch meanwhile: fewer than were made are left.
        for _ in 0..<100 where try inotifyDescriptors() >= before + 10 { try await Task.sleep(for: .milliseconds(50)) }
        #expect(try inotifyDescriptors() < before + 10)
    }
}
