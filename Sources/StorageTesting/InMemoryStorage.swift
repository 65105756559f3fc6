public import StorageKit
internal import Synchronization

/// Storage in the memory of this program: pools for tests that shall touch no disk.
///
/// Give ``provider(for:)`` to `StorageManager(folders:backends:lockTimeout:)` in place of the kind's real backend. The
/// volumes are numbers with the content that was uploaded, and live as long as this object.
public final class InMemoryStorage: Sendable {
    struct StoredVolume: Sendable {
        var identity: FileIdentity
        var definition: VolumeDefinition
        var made: Timestamp
        /// The first bytes; those behind are zeros.
        var content: [UInt8] = []
        var problem: String?
    }

    struct Pool: Sendable {
        var isBuilt = false
        var volumes: [String: StoredVolume] = [:]
    }

    struct State: Sendable {
        var pools: [String: Pool] = [:]
        var nextInode: UInt64 = 1
    }

    let capacity: ByteCount
    let state: Mutex<State> = Mutex(State())

    /// Makes storage in which each pool has a capacity.
    public init(capacity: ByteCount) {
        self.capacity = capacity
    }

    /// Makes the backends of a kind of pool.
    public func provider(for kind: PoolKind) -> BackendProvider {
        BackendProvider(kind: kind, InMemoryBackend.self) { definition in
            InMemoryBackend(storage: self, definition: definition)
        }
    }

    /// Makes the backend of a pool.
    public func backend(for definition: PoolDefinition) -> some VolumeCreating & VolumeDeleting & VolumeResizing
        & VolumeUploading & VolumeDownloading & VolumeWiping
    {
        InMemoryBackend(storage: self, definition: definition)
    }
}
