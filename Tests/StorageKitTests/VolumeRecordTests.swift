import Foundation
import StorageKit
import Testing

/// What is remembered with a file, and what happens where somebody else has written it.
struct VolumeRecordTests {
    private let scratch = Scratch()
    private static let attribute = Environment.mayTrustAttributes ? "trusted.storlib" : "user.storlib"

    private func open(_ name: String) throws -> OpenFile {
        try OpenFile("\(scratch.path)/images/\(name)", .readWrite)
    }

    @Test func theMarkIsAnAttributeOfTheFile() throws {
        let pool = try scratch.runningPool()
        try pool.createVolume(VolumeDefinition(name: "a", capacity: ByteCount(10)))
        let mark = Array("broken=upload 0 10\nlater=kept".utf8)
        try open("a").setAttribute(Self.attribute, to: mark)
        #expect(try pool.volume(named: "a").problem?.hasPrefix("an upload was broken off") == true)
        // It moves with the file.
        try FileManager.default.moveItem(atPath: scratch.path + "/images/a", toPath: scratch.path + "/images/b")
        #expect(try pool.volume(named: "b").problem != nil)
        #expect(
            try JSONDecoder().decode(Volume.self, from: JSONEncoder().encode(pool.volume(named: "b"))).problem != nil
        )
        try pool.uploadVolume(named: "b", from: Chunks([UInt8](repeating: 1, count: 10)).source)
        #expect(try pool.volume(named: "b").problem == nil)
        // What a newer storlib wrote stays.
        let left = try open("b").attribute(Self.attribute).map { String(decoding: $0, as: UTF8.self) } ?? ""
        #expect(left.contains("later=kept") && !left.contains("broken"))
    }

    @Test(.enabled("only root's attributes are out of the guests' reach") { Environment.mayTrustAttributes })
    func rootBelievesNoAttributeOfAUser() throws {
        let pool = try scratch.runningPool()
        try pool.createVolume(VolumeDefinition(name: "a", capacity: ByteCount(10)))
        try open("a").setAttribute("user.storlib", to: Array("broken=upload 0 10".utf8))
        #expect(try pool.volume(named: "a").problem == nil)
    }

    @Test func aStrangeMarkDoesNoHarm() throws {
        let pool = try scratch.runningPool()
        try pool.createVolume(VolumeDefinition(name: "a", capacity: ByteCount(10)))
        var numbers = SeededNumbers(seed: 4)
        var marks: [[UInt8]] = [
            "", "=", "\n\n", "broken=", "broken", "broken=upload 99999999999999999999 -1", "broken=\u{0}", "format",
            "broken=upload 5 3", "broken=wipe 18446744073709551615 18446744073709551615",
        ]
        .map { Array($0.utf8) }
        for _ in 0..<200 { marks.append(numbers.bytes(Int.random(in: 0...1000, using: &numbers))) }
        let file = try open("a")
        for mark in marks {
            try file.setAttribute(Self.attribute, to: mark)
            #expect(try pool.volumes().map(\.name) == ["a"])
            try pool.uploadVolume(named: "a", from: Chunks([1, 2]).source)
        }
        try file.removeAttribute(Self.attribute)
        #expect(try pool.volume(named: "a").problem == nil)
    }

    @Test func theFilesOfRecordsAreNoVolumes() throws {
        let pool = try scratch.runningPool()
        try scratch.write("broken=upload 0 1", to: "images/.storlib-record-a")
        try scratch.write("broken=upload 0 1", to: "images/.storlib-record-b")
        try scratch.write("x", to: "images/.storlib-replacement-1")
        try scratch.write("x", to: "images/b")
        #expect(try pool.volumes().map(\.name) == ["b"])
        let error = #expect(throws: StorageError.self) {
            try pool.createVolume(VolumeDefinition(name: ".storlib-record-x", capacity: .zero))
        }
        #expect(error?.code == .invalidName)
        // A record that was just written may be that of a volume that is being made.
        try pool.refresh()
        #expect(try scratch.names(in: "images").count == 4)
        for name in try scratch.names(in: "images") {
            try FileManager.default.setAttributes(
                [.modificationDate: Date(timeIntervalSinceNow: -300)],
                ofItemAtPath: "\(scratch.path)/images/\(name)"
            )
        }
        try pool.refresh()
        #expect(try scratch.names(in: "images") == [".storlib-record-b", "b"])
        try pool.deleteVolume(named: "b")
        #expect(try scratch.names(in: "images") == [])
        try scratch.write("x", to: "images/.storlib-record-c")
        try pool.stop()
        try pool.delete()
    }
}
