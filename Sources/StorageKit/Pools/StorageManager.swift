internal import Synchronization

/// The pools of a host: where a program begins.
///
/// A manager holds no state but the names of its folders: every call reads what is there, so that several programs, and
/// several managers in one, see the same pools. Each function comes twice: one that blocks, for threads of the program's
/// own, and one that is `async`, which is chosen in asynchronous code and waits on a thread of storlib's.
public final class StorageManager: Sendable {
    let store: PoolStore
    let backends: BackendRegistry
    /// Threads for what concerns all pools, and touches no storage.
    let threads = BlockingThreads(limit: 4)
    private let poolThreads: Mutex<[String: PoolThreads]> = Mutex([:])

    /// Makes a manager; it touches no storage and no state.
    ///
    /// - Parameters:
    ///   - folders: Where the state is kept; ``StateFolders/standard()`` finds the usual place.
    ///   - backends: The kinds of pools that can be started.
    ///   - lockTimeout: How long a call waits for a pool that another program holds.
    public init(
        folders: StateFolders,
        backends: [BackendProvider] = BackendProvider.all,
        lockTimeout: Duration = .seconds(10)
    ) {
        store = PoolStore(folders: folders, lockTimeout: lockTimeout)
        self.backends = BackendRegistry(backends)
    }

    /// Threads for one pool: one that hangs holds up no other.
    func threads(for pool: String) -> BlockingThreads { poolThreads(pool).calls }

    /// Threads for one pool's long work, which holds up none of its other calls.
    func transferThreads(for pool: String) -> BlockingThreads { poolThreads(pool).transfers }

    private func poolThreads(_ pool: String) -> PoolThreads {
        poolThreads.withLock { threads in
            if let known = threads[pool] { return known }
            let new = PoolThreads()
            threads[pool] = new
            return new
        }
    }

    /// What can be done with each kind of pool, in the order of ``PoolKind``.
    public var capabilities: [PoolCapabilities] {
        PoolKind.allCases.map { PoolCapabilities(kind: $0, provider: backends.provider(for: $0)) }
    }

    func info(_ record: PoolRecord, measuringUsage: Bool) -> PoolInfo {
        var info = PoolInfo(record)
        guard measuringUsage, let definition = record.running else { return info }
        do throws(StorageError) {
            info.usage = try backends.backend(for: definition).usage()
        } catch {
            info.problem = error.description
        }
        return info
    }
}
