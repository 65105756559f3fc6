/// A pool that is a directory on a file system that is mounted already.
struct DirectoryBackend: FileBackedPool {
    let definition: PoolDefinition
    let files: FileVolumes

    init(_ definition: PoolDefinition) {
        self.definition = definition
        files = FileVolumes(definition)
    }

    func outlineStart() throws(StorageError) -> PlanOutline {
        try PlanOutline(
            steps: [],
            assumptions: [.directory(files.path, files.openDirectory(isStarting: true).status())]
        )
    }

    func start() throws(StorageError) {
        _ = try files.openDirectory(isStarting: true)
        try files.sweep()
    }

    func stop() throws(StorageError) {}
}

extension BackendProvider {
    /// Pools that are directories.
    public static let directory = BackendProvider(kind: .directory, DirectoryBackend.self) { definition in
        DirectoryBackend(definition)
    }
}
