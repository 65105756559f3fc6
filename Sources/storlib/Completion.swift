import ArgumentParser
import StorageKit

/// The names that a shell completes.
enum Completion {
    @Sendable static func pools(_ words: [String], _ index: Int, _ prefix: String) -> [String] {
        (try? manager().pools().map(\.name)) ?? []
    }

    @Sendable static func volumes(_ words: [String], _ index: Int, _ prefix: String) -> [String] {
        guard let manager = try? manager(), let pools = try? manager.pools() else { return [] }
        return pools.flatMap { pool in (try? pool.volumes().map(\.path)) ?? [] }
    }

    private static func manager() throws(StorageError) -> StorageManager {
        try StorageManager(folders: .standard(), lockTimeout: .zero)
    }
}
