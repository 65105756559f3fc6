import Foundation
import StorageKit

/// A folder for one test, with state folders in it; it is gone afterwards.
final class Scratch: Sendable {
    let path: String

    init() {
        path = NSTemporaryDirectory().withSlash + "storlib-test-" + UUID().uuidString
        try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    var folders: StateFolders { StateFolders(configuration: path + "/config", run: path + "/run") }

    func manager(
        backends: [BackendProvider] = BackendProvider.all,
        lockTimeout: Duration = .milliseconds(200)
    ) -> StorageManager {
        StorageManager(folders: folders, backends: backends, lockTimeout: lockTimeout)
    }

    func directoryPool(_ name: String = "images") -> PoolDefinition {
        PoolDefinition(kind: .directory, name: name, targetPath: "\(path)/\(name)")
    }

    func write(_ text: String, to name: String) throws {
        try text.write(toFile: "\(path)/\(name)", atomically: false, encoding: .utf8)
    }

    func names(in folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "\(path)/\(folder)").sorted()
    }
}

extension String {
    fileprivate var withSlash: String { hasSuffix("/") ? self : self + "/" }
}

/// A folder of the test's fixtures.
func fixtures(_ name: String, file: String = #filePath) -> URL {
    URL(fileURLWithPath: file).deletingLastPathComponent().appendingPathComponent(name)
}
