/// A pool to whose volumes bytes can be written from outside.
public protocol VolumeUploading: PoolBackend {
    /// What an upload would do.
    ///
    /// - Throws: `StorageError` with code `volumeNotFound`, `invalidArgument` where the volume ends before the upload begins,
    ///   or another.
    func outlineUpload(to name: String, _ options: TransferOptions) throws(StorageError) -> PlanOutline

    /// Writes a source's bytes over those of a volume, so that they last.
    ///
    /// Nobody else can change the volume meanwhile. Where the work is broken off the volume's
    /// ``Volume/problem`` says so.
    ///
    /// - Throws: `StorageError` with code `busy`, `invalidArgument` where the volume is too small, `cancelled` or another.
    func uploadVolume(
        _ name: String,
        from source: UploadSource,
        _ options: TransferOptions,
        following outline: PlanOutline,
        progress: ProgressMeter,
        cancellation: Cancellation
    ) throws(StorageError)
}
