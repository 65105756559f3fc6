extension FileVolumes {
    /// Hands out a volume's bytes, and says how many they were.
    func downloadVolume(
        _ name: String,
        to target: DownloadTarget,
        _ options: TransferOptions,
        _ control: TransferControl
    ) throws(StorageError) -> ByteCount {
        try requireFile(volume(named: name), to: "download")
        let file = try openShared(name, in: openDirectory())
        let size = try file.status().size
        guard options.offset <= size else {
            throw StorageError(
                .invalidArgument,
                "volume '\(name)' of pool '\(poolName)' has \(size.bytes) bytes, and none from byte "
                    + "\(options.offset.bytes) on"
            )
        }
        let count = min(size.subtractingClamped(options.offset), options.length ?? .maximum)
        control.progress.setTotal(count)
        try control.cancellation.check()
        let start = options.offset.bytes
        try file.send(start..<start + count.bytes, to: target, isSparse: options.isSparse, control)
        return count
    }
}
