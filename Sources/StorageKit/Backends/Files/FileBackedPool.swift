import DiskImages

/// A pool whose volumes are the files of one directory: all but how the directory comes to be.
protocol FileBackedPool: VolumeCloning, VolumeReading, VolumeDeclaring, VolumeDeleting, VolumeResizing, VolumeUploading,
    VolumeDownloading, VolumeWiping
{
    var files: FileVolumes { get }
}

extension FileBackedPool {
    static var creatableFormats: [VolumeFormat] { ImageFormat.creatable.map { VolumeFormat($0) } }

    var watchedDirectory: String? { files.path }

    func isVolumeName(_ name: String) -> Bool { files.isVolumeName(name) }

    func outlineRefresh() throws(StorageError) -> PlanOutline {
        let steps = try files.unfinishedNames()
            .map {
                PlanOutline.Step("remove file", files.path(of: $0), detail: "unless it is still being made")
            }
        return PlanOutline(steps: steps)
    }

    func refresh() throws(StorageError) { try files.sweep() }

    func usage() throws(StorageError) -> PoolUsage { try files.usage() }

    func targetPermissions() throws(StorageError) -> Permissions? { try files.targetPermissions() }

    func volumes() throws(StorageError) -> [Volume] { try files.volumes() }

    func volume(named name: String) throws(StorageError) -> Volume { try files.volume(named: name) }

    /// The key of a file is its path.
    func volumeName(key: String) throws(StorageError) -> String? { try files.volumeName(path: key) }

    func volumeName(path: String) throws(StorageError) -> String? { try files.volumeName(path: path) }

    func outlineCreation(of definition: VolumeDefinition) throws(StorageError) -> PlanOutline {
        try files.outlineCreation(of: definition)
    }

    func createVolume(
        _ definition: VolumeDefinition,
        following outline: PlanOutline,
        cancellation: Cancellation
    ) throws(StorageError) -> Volume {
        try files.createVolume(definition, following: outline, cancellation: cancellation)
    }

    func outlineDeletion(ofVolume name: String) throws(StorageError) -> PlanOutline {
        try files.outlineDeletion(of: name)
    }

    func deleteVolume(_ name: String, following outline: PlanOutline) throws(StorageError) {
        try files.deleteVolume(name, following: outline)
    }

    func outlineResize(of name: String, to size: VolumeSize) throws(StorageError) -> PlanOutline {
        try files.outlineResize(of: name, to: size)
    }

    func resizeVolume(
        _ name: String,
        to size: VolumeSize,
        following outline: PlanOutline,
        cancellation: Cancellation
    ) throws(StorageError) {
        try files.resizeVolume(name, to: size, following: outline, cancellation: cancellation)
    }

    func outlineDeclaration(of name: String, format: VolumeFormat) throws(StorageError) -> PlanOutline {
        try files.outlineDeclaration(of: name, format: format)
    }

    func declareVolume(
        _ name: String,
        format: VolumeFormat,
        following outline: PlanOutline
    ) throws(StorageError) {
        try files.declareVolume(name, format: format, following: outline)
    }

    func content(ofVolume name: String) throws(StorageError) -> VolumeContent { try files.content(of: name) }

    func map(ofVolume name: String, cancellation: Cancellation) throws(StorageError) -> ImageMap {
        try files.map(of: name, cancellation: cancellation)
    }

    func check(
        volume name: String,
        repairingLeaks: Bool,
        cancellation: Cancellation
    ) throws(StorageError) -> ImageCheck {
        try files.check(name, repairingLeaks: repairingLeaks, cancellation: cancellation)
    }

    func outlineClone(of source: VolumeContent, as definition: VolumeDefinition) throws(StorageError) -> PlanOutline {
        try files.outlineClone(of: source, as: definition)
    }

    func cloneVolume(
        _ source: VolumeContent,
        as definition: VolumeDefinition,
        following outline: PlanOutline,
        progress: ProgressMeter,
        cancellation: Cancellation
    ) throws(StorageError) -> Volume {
        try files.cloneVolume(
            source,
            as: definition,
            following: outline,
            progress: progress,
            cancellation: cancellation
        )
    }

    func outlineUpload(to name: String, _ options: TransferOptions) throws(StorageError) -> PlanOutline {
        try files.outlineUpload(to: name, options)
    }

    func uploadVolume(
        _ name: String,
        from source: UploadSource,
        _ options: TransferOptions,
        following outline: PlanOutline,
        progress: ProgressMeter,
        cancellation: Cancellation
    ) throws(StorageError) {
        try files.uploadVolume(
            name,
            from: source,
            options,
            following: outline,
            TransferControl(progress, cancellation)
        )
    }

    func downloadVolume(
        _ name: String,
        to target: DownloadTarget,
        _ options: TransferOptions,
        progress: ProgressMeter,
        cancellation: Cancellation
    ) throws(StorageError) -> ByteCount {
        try files.downloadVolume(name, to: target, options, TransferControl(progress, cancellation))
    }

    func outlineWipe(
        of name: String,
        _ algorithm: WipeAlgorithm,
        isForced: Bool
    ) throws(StorageError) -> PlanOutline {
        try files.outlineWipe(of: name, algorithm, isForced: isForced)
    }

    func wipeVolume(
        _ name: String,
        _ algorithm: WipeAlgorithm,
        isForced: Bool,
        following outline: PlanOutline,
        progress: ProgressMeter,
        cancellation: Cancellation
    ) throws(StorageError) {
        try files.wipeVolume(
            name,
            algorithm,
            isForced: isForced,
            following: outline,
            TransferControl(progress, cancellation)
        )
    }
}
