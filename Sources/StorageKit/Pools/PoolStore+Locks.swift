extension PoolStore {
    /// Excludes all others from changing which pools there are.
    func withStoreLock<Result>(
        cancellation: Cancellation = Cancellation(),
        _ body: () throws(StorageError) -> Result
    ) throws(StorageError) -> Result {
        let folder = try OpenFile.directory(folders.run, makingWithMode: 0o755)
        let lock = try FileLock(
            folder.open("store.lock", [.readWrite, .create], mode: 0o600),
            exclusive: true,
            deadline: .now + lockTimeout,
            cancellation: cancellation,
            holding: "the state folder '\(folders.run)'"
        )
        defer { withExtendedLifetime(lock.file.descriptor) {} }
        return try body()
    }

    /// Excludes all others from a pool.
    func withExclusiveLock<Result>(
        _ pool: String,
        cancellation: Cancellation = Cancellation(),
        _ body: () throws(StorageError) -> Result
    ) throws(StorageError) -> Result {
        let folder = try OpenFile.directory(runPath, makingWithMode: 0o755)
        let lock = try FileLock(
            folder.open(Self.lockName(pool), [.readWrite, .create], mode: 0o600),
            exclusive: true,
            deadline: .now + lockTimeout,
            cancellation: cancellation,
            holding: "pool '\(pool)'"
        )
        defer { withExtendedLifetime(lock.file.descriptor) {} }
        return try body()
    }

    /// Excludes those who would change a pool's state, but not others who use its storage.
    func withSharedLock<Result>(
        _ pool: String,
        cancellation: Cancellation = Cancellation(),
        _ body: () throws(StorageError) -> Result
    ) throws(StorageError) -> Result {
        let file: OpenFile
        do throws(StorageError) {
            file = try OpenFile(runPath + "/" + Self.lockName(pool), .readOnly)
        } catch {
            // Nobody has ever locked this pool, or another user may, who keeps others from holding it up.
            guard error.code == .notFound || error.code == .permissionDenied else { throw error }
            return try body()
        }
        let lock = try FileLock(
            file,
            exclusive: false,
            deadline: .now + lockTimeout,
            cancellation: cancellation,
            holding: "pool '\(pool)'"
        )
        defer { withExtendedLifetime(lock.file.descriptor) {} }
        return try body()
    }

    static func lockName(_ pool: String) -> String { pool + ".lock" }

    /// What happened to a pool's storage leaves no other trace in the state folders: a line in the file of its lock, which
    /// the caller holds, tells the watchers of other programs.
    func note(_ change: PoolEvent.Change, _ pool: String) {
        // Without the note a watcher misses an event; what was done stays done.
        guard let file = try? OpenFile(runPath + "/" + Self.lockName(pool), [.writeOnly, .append]),
            let size = try? file.status().size
        else { return }
        if size > Self.maximumNotes { try? file.setSize(.zero) }
        try? file.append(Array("\(change.rawValue)\n".utf8))
    }

    private static let maximumNotes = ByteCount.kibibytes(64)
}
