/// A pool whose volumes' bytes can be read from outside.
public protocol VolumeDownloading: PoolBackend {
    /// Hands the bytes of a volume to a target.
    ///
    /// Nobody can change the volume by way of storlib meanwhile.
    ///
    /// - Returns: The number of bytes.
    /// - Throws: `StorageError` with code `busy`, `invalidArgument` where the volume ends before the download begins,
    ///   `cancelled` or another.
    func downloadVolume(
        _ name: String,
        to target: DownloadTarget,
        _ options: TransferOptions,
        progress: ProgressMeter,
        cancellation: Cancellation
    ) throws(StorageError) -> ByteCount
}
