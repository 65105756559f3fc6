import Foundation
import StorageKit

/// A folder for one group of measurements, with state folders that the program finds too.
final class Scratch {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "/storbench-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        setenv("STORLIB_CONFIG_DIR", path + "/config", 1)
        setenv("STORLIB_RUN_DIR", path + "/run", 1)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    /// A pool that runs.
    func pool(_ name: String, at directory: String? = nil) throws -> StoragePool {
        let manager = StorageManager(folders: StateFolders(configuration: path + "/config", run: path + "/run"))
        let pool = try manager.define(
            PoolDefinition(kind: .directory, name: name, targetPath: directory ?? "\(path)/\(name)")
        )
        try pool.start(build: .standard)
        return pool
    }
}
