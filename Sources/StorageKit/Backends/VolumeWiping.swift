/// A pool whose volumes can be overwritten, so that nobody reads what was there.
public protocol VolumeWiping: PoolBackend {
    /// What a wipe would do.
    ///
    /// - Parameters:
    ///   - name: The volume's name.
    ///   - algorithm: The passes.
    ///   - isForced: Whether to go on where overwriting leaves the old content on the disk.
    /// - Throws: `StorageError` with code `volumeNotFound`, `notSupported` where overwriting would be in vain, or another.
    func outlineWipe(
        of name: String,
        _ algorithm: WipeAlgorithm,
        isForced: Bool
    ) throws(StorageError) -> PlanOutline

    /// Overwrites all of a volume.
    ///
    /// Nobody else can change the volume meanwhile. Where the work is broken off the volume's
    /// ``Volume/problem`` says so.
    ///
    /// - Throws: `StorageError` with code `busy`, `cancelled` or another.
    func wipeVolume(
        _ name: String,
        _ algorithm: WipeAlgorithm,
        isForced: Bool,
        following outline: PlanOutline,
        progress: ProgressMeter,
        cancellation: Cancellation
    ) throws(StorageError)
}
