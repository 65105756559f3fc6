/// A pool that is a directory on a file system that is mounted already.
struct DirectoryBackend: FileBackedPool {
    let definition: PoolDefinition
    let files: FileVolumes

    init(_ definition: PoolDefinition) {
        self.definition = definition
        files = FileVolumes(definition)
    }

    func outlineStart() throws(StorageError) -> PlanOutline {
        let identity = try files.openDirectory().status().identity
        return PlanOutline(steps: [], assumptions: [.present(path: files.path, identity: identity, size: nil)])
    }

    func start() throws(StorageError) {
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
