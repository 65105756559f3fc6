import CBenchmarks
import Foundation
import StorageKit

/// Pools of many images: half raw, 40 % qcow2, 10 % qcow2 with a backing file, none of them made by storlib.
enum ImageLists {
    /// As many as storlib lists with.
    private static let threads: Int32 = 4

    static func measure(_ program: String, into table: inout ResultTable) throws {
        let scratch = try Scratch()
        let small = try fill("small", 100, scratch)
        let count = 10_000
        let large = try fill("large", count, scratch)
        let directory = scratch.path + "/large"
        let loop = try Sample(runs: 15) { _ = benchmarks_read_directory(directory, threads) }
        let name = "openat, statx, pread, close in C, \(threads) threads"
        let ours = try Sample(runs: 15) {
            guard try large.volumes().count == count else { throw CocoaError(.fileReadCorruptFile) }
        }
        table.add("list \(count) images, warm", ours, ratioLimit: 1.5, peer: (name, loop))
        let whole = try Sample(runs: 15) { try Programs.run([program, "vol-list", "large"]) }
        table.add("storlib vol-list of \(count) images, whole process", whole, limit: 0.080)
        let cold = try Sample(runs: 5) {
            guard benchmarks_drop_pages(directory) == count else { throw CocoaError(.fileReadUnknown) }
        } _: {
            _ = try large.volumes()
        }
        table.add("list \(count) images, content not in memory", cold, limit: 0.8)
        for (pool, count) in [(small, 100), (large, count)] {
            table.add(
                "look up one of \(count) images",
                try Sample(runs: 199) { _ = try pool.volume(named: "disk51.qcow2") },
                limit: 0.0002
            )
        }
    }

    private static func fill(_ name: String, _ count: Int, _ scratch: Scratch) throws -> StoragePool {
        let pool = try scratch.pool(name)
        let image = VolumeDefinition(name: "disk51.qcow2", capacity: .gibibytes(10), format: .qcow2)
        try pool.createVolume(image)
        var overlay = VolumeDefinition(name: "disk52.qcow2", capacity: .gibibytes(10), format: .qcow2)
        overlay.backingFile = BackingFile(path: "disk51.qcow2", format: .qcow2)
        try pool.createVolume(overlay)
        let folder = "\(scratch.path)/\(name)"
        func content(_ name: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)")) }
        let (plain, backed) = try (content("disk51.qcow2"), content("disk52.qcow2"))
        for volume in ["disk51.qcow2", "disk52.qcow2"] { try pool.deleteVolume(named: volume) }
        for number in 0..<count {
            let kind = number % 10
            let path = "\(folder)/disk\(number)"
            if kind % 2 == 0 {
                guard FileManager.default.createFile(atPath: path + ".img", contents: nil),
                    truncate(path + ".img", 1 << 30) == 0
                else { throw CocoaError(.fileWriteUnknown) }
            } else {
                try (kind == 3 ? backed : plain).write(to: URL(fileURLWithPath: path + ".qcow2"))
            }
        }
        return pool
    }
}
