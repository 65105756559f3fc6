extension FileVolumes {
    /// Calls that wait for a disk are made by more threads than there are processors.
    private static let listingThreads = 4

    /// The volumes in order of their names; what cannot be a volume or vanishes meanwhile is passed over.
    func volumes() throws(StorageError) -> [Volume] {
        let directory = try VolumeDirectory(self)
        var entries: [(name: String, kind: FileStatus.Kind?)] = []
        for entry in try directory.directory.entries() {
            if let name = entry.name, isVolumeName(name) { entries.append((name, entry.kind)) }
        }
        entries.sort { $0.name < $1.name }
        let sorted = entries
        var volumes = concurrentMap(sorted.count, threads: Self.listingThreads) { index -> Volume? in
            (try? directory.read(sorted[index].name, kind: sorted[index].kind)) ?? nil
        }
        BackingChains.check(&volumes, directory: path)
        return volumes
    }

    func volume(named name: String) throws(StorageError) -> Volume {
        guard isVolumeName(name) else { throw notFound(name) }
        do throws(StorageError) {
            guard var volume = try VolumeDirectory(self).read(name) else { throw notFound(name) }
            if volume.problem == nil, volume.image?.backing != nil { volume.problem = chainProblem(of: name) }
            return volume
        } catch {
            throw error.code == .notFound && error.context.operation == "statx" ? notFound(name) : error
        }
    }

    /// Labels exist only where SELinux does.
    static var readsLabels: Bool {
        (try? OpenFile("/sys/fs/selinux/enforce", .place)) != nil
    }
}
