/// What a kind of pool does with its storage; one value stands for one pool.
///
/// A backend conforms to this protocol and to those of what it can do: ``PoolBuilding``, ``PoolDeleting``,
/// ``VolumeCreating``, ``VolumeDeleting``, ``VolumeResizing``, ``VolumeUploading``, ``VolumeDownloading``, ``VolumeWiping``. What it cannot do is absent. Its functions block, and may
/// be called on several threads at once; who calls them holds the pool's lock: exclusively for ``start()`` and
/// ``stop()``, shared with others for all else.
public protocol PoolBackend: Sendable {
    /// What a start would do.
    ///
    /// - Throws: `StorageError` where a start would fail.
    func outlineStart() throws(StorageError) -> PlanOutline

    /// Makes the storage reachable, or finds that it is.
    ///
    /// - Throws: `StorageError` where the storage is not there; nothing is changed then.
    func start() throws(StorageError)

    /// Lets the storage go; the data stays.
    func stop() throws(StorageError)

    /// What a refresh would do.
    func outlineRefresh() throws(StorageError) -> PlanOutline

    /// Removes what an interrupted change left behind.
    func refresh() throws(StorageError)

    /// How full the pool is.
    func usage() throws(StorageError) -> PoolUsage

    /// The permissions that the target has; nil where there is none.
    func targetPermissions() throws(StorageError) -> Permissions?

    /// The volumes, in order of their names. One that cannot be read does not fail the others.
    func volumes() throws(StorageError) -> [Volume]

    /// Looks up a volume, without reading the others.
    ///
    /// - Throws: `StorageError` with code `volumeNotFound`.
    func volume(named name: String) throws(StorageError) -> Volume

    /// The name of the volume with a key; nil where this pool cannot have it. The volume need not exist.
    func volumeName(key: String) throws(StorageError) -> String?

    /// The name of the volume at a path on this host; nil where this pool cannot have it. The volume need not exist.
    func volumeName(path: String) throws(StorageError) -> String?

    /// The directory in which the names that appear and vanish are those of volumes; nil where there is none.
    var watchedDirectory: String? { get }

    /// Whether a name in ``watchedDirectory`` can be that of a volume.
    func isVolumeName(_ name: String) -> Bool
}

/// A pool whose storage can be prepared for its first start.
public protocol PoolBuilding: PoolBackend {
    /// What a build would do.
    func outlineBuild(_ mode: BuildMode) throws(StorageError) -> PlanOutline

    /// Prepares the storage; on failure it is as it was.
    func build(_ mode: BuildMode, following outline: PlanOutline) throws(StorageError)
}

/// A pool whose storage can be removed.
public protocol PoolDeleting: PoolBackend {
    /// What a deletion would do.
    func outlineDeletion() throws(StorageError) -> PlanOutline

    /// Removes the storage.
    func delete(following outline: PlanOutline) throws(StorageError)
}

/// A pool in which volumes can be made.
public protocol VolumeCreating: PoolBackend {
    /// The formats of volumes that can be made.
    static var creatableFormats: [VolumeFormat] { get }

    /// What making a volume would do.
    ///
    /// - Throws: `StorageError` with code `volumeExists`, `notSupported`,
    ///   `noSpace` or another.
    func outlineCreation(of definition: VolumeDefinition) throws(StorageError) -> PlanOutline

    /// Makes a volume, which appears whole or not at all.
    ///
    /// - Throws: `StorageError` with code `stalePlan` where the storage is not as the outline
    ///   assumed, `cancelled` or another.
    func createVolume(
        _ definition: VolumeDefinition,
        following outline: PlanOutline,
        cancellation: Cancellation
    ) throws(StorageError) -> Volume
}

/// A pool whose volumes can be removed.
public protocol VolumeDeleting: PoolBackend {
    /// What removing a volume would do.
    func outlineDeletion(ofVolume name: String) throws(StorageError) -> PlanOutline

    /// Removes a volume and its data.
    func deleteVolume(_ name: String, following outline: PlanOutline) throws(StorageError)
}

/// A pool whose volumes can change their size.
public protocol VolumeResizing: PoolBackend {
    /// What changing a volume's size would do.
    func outlineResize(of name: String, to size: VolumeSize) throws(StorageError) -> PlanOutline

    /// Changes a volume's size; on failure it is as it was.
    func resizeVolume(
        _ name: String,
        to size: VolumeSize,
        following outline: PlanOutline,
        cancellation: Cancellation
    ) throws(StorageError)
}
