import Foundation
import StorageKit

/// Directory pools, in process.
enum Pools {
    static func measure(into table: inout ResultTable) throws {
        let scratch = NSTemporaryDirectory() + "/storbench-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: scratch) }
        let manager = StorageManager(folders: StateFolders(configuration: scratch + "/config", run: scratch + "/run"))
        let pool = try manager.define(
            PoolDefinition(kind: .directory, name: "images", targetPath: scratch + "/images")
        )
        try pool.start(build: .standard)
        let count = 10_000
        for number in 0..<count {
            _ = FileManager.default.createFile(atPath: "\(scratch)/images/disk\(number).img", contents: nil)
        }
        table.add("list \(count) raw volumes", try Sample(runs: 9) { _ = try pool.volumes() })
        table.add("look up one of \(count)", try Sample(runs: 99) { _ = try pool.volume(named: "disk5000.img") })
        table.add(
            "make and delete a sparse volume",
            try Sample(runs: 49) {
                try pool.createVolume(VolumeDefinition(name: "new", capacity: .gibibytes(1), allocation: .zero))
                try pool.deleteVolume(named: "new")
            }
        )
    }
}
