import StorageKit
internal import Synchronization

/// A pool in ``InMemoryStorage``.
struct InMemoryBackend: PoolBackend {
    let storage: InMemoryStorage
    let definition: PoolDefinition

    var watchedDirectory: String? { nil }

    func isVolumeName(_ name: String) -> Bool { Self.problem(with: name) == nil }

    func outlineStart() throws(StorageError) -> PlanOutline {
        _ = try pool()
        return PlanOutline(steps: [])
    }

    func start() throws(StorageError) { _ = try pool() }

    func stop() throws(StorageError) {}

    func outlineRefresh() throws(StorageError) -> PlanOutline { PlanOutline(steps: []) }

    func refresh() throws(StorageError) {}

    func usage() throws(StorageError) -> PoolUsage {
        let used = try pool().volumes.values.reduce(0) { $0 + ($1.definition.allocation ?? .zero).bytes }
        return PoolUsage(
            capacity: storage.capacity,
            allocation: ByteCount(used),
            available: storage.capacity.subtractingClamped(ByteCount(used))
        )
    }

    func targetPermissions() throws(StorageError) -> Permissions? { nil }

    func volumes() throws(StorageError) -> [Volume] {
        try pool().volumes.values.map(Self.volume).sorted { $0.name < $1.name }
    }

    func volume(named name: String) throws(StorageError) -> Volume {
        try Self.volume(stored(name))
    }

    func volumeName(key: String) throws(StorageError) -> String? { name(inPath: key) }

    func volumeName(path: String) throws(StorageError) -> String? { name(inPath: path) }

    private func name(inPath path: String) -> String? {
        let prefix = self.path(of: "")
        guard path.hasPrefix(prefix) else { return nil }
        let name = String(path.dropFirst(prefix.count))
        return isVolumeName(name) ? name : nil
    }

    // MARK: The storage

    func path(of name: String) -> String { "memory:/\(definition.name)/\(name)" }

    func pool() throws(StorageError) -> InMemoryStorage.Pool {
        let pool = storage.state.withLock { $0.pools[definition.name] }
        guard let pool, pool.isBuilt else {
            throw StorageError(
                .notFound,
                "the storage of pool '\(definition.name)' does not exist",
                hint: "build the pool to make it"
            )
        }
        return pool
    }

    func stored(_ name: String) throws(StorageError) -> InMemoryStorage.StoredVolume {
        guard let stored = try pool().volumes[name] else {
            throw StorageError(.volumeNotFound, "pool '\(definition.name)' has no volume '\(name)'")
        }
        return stored
    }

    private static func volume(_ stored: InMemoryStorage.StoredVolume) -> Volume {
        Volume(
            definition: stored.definition,
            physicalSize: stored.definition.allocation ?? .zero,
            timestamps: Volume.Timestamps(
                accessed: stored.made,
                modified: stored.made,
                changed: stored.made,
                born: stored.made
            ),
            problem: stored.problem
        )
    }

    static func problem(with name: String) -> String? {
        if name.isEmpty || name == "." || name == ".." { return "it is '\(name)'" }
        if name.utf8.contains(UInt8(ascii: "/")) { return "it contains '/'" }
        if name.unicodeScalars.contains(where: { $0.value < 32 || $0.value == 127 }) {
            return "it contains a control character"
        }
        return nil
    }
}

extension InMemoryBackend: PoolBuilding {
    func outlineBuild(_ mode: BuildMode) throws(StorageError) -> PlanOutline {
        let isBuilt = storage.state.withLock { $0.pools[definition.name]?.isBuilt == true }
        return PlanOutline(
            steps: isBuilt ? [] : [.init("make memory", path(of: ""))],
            assumptions: isBuilt ? [] : [.absent(path: path(of: ""))]
        )
    }

    func build(_ mode: BuildMode, following outline: PlanOutline) throws(StorageError) {
        try outline.checkUnchanged(outlineBuild(mode), object: "pool '\(definition.name)'")
        storage.state.withLock { $0.pools[definition.name, default: .init()].isBuilt = true }
    }
}

extension InMemoryBackend: PoolDeleting {
    func outlineDeletion() throws(StorageError) -> PlanOutline {
        guard try pool().volumes.isEmpty else {
            throw StorageError(.notEmpty, "pool '\(definition.name)' is not empty", hint: "delete its volumes first")
        }
        return PlanOutline(steps: [.init("free memory", path(of: ""))])
    }

    func delete(following outline: PlanOutline) throws(StorageError) {
        try outline.checkUnchanged(outlineDeletion(), object: "pool '\(definition.name)'")
        storage.state.withLock { $0.pools[definition.name] = nil }
    }
}

extension InMemoryBackend: VolumeCreating {
    static var creatableFormats: [VolumeFormat] { [.raw] }

    func outlineCreation(of definition: VolumeDefinition) throws(StorageError) -> PlanOutline {
        let name = definition.name
        if let problem = Self.problem(with: name) {
            throw StorageError(.invalidName, "volume name cannot be used: \(problem)")
        }
        if let format = definition.format, format != .raw {
            throw StorageError(.notSupported, "volume '\(name)': the format '\(format)' cannot be made")
        }
        guard let capacity = definition.capacity else {
            throw StorageError(.invalidArgument, "volume '\(name)' needs a capacity")
        }
        guard try pool().volumes[name] == nil else {
            throw StorageError(.volumeExists, "pool '\(self.definition.name)' has a volume '\(name)' already")
        }
        let allocation = min(definition.allocation ?? capacity, capacity)
        guard try allocation <= usage().available else {
            throw StorageError(.noSpace, "pool '\(self.definition.name)' has no space for volume '\(name)'")
        }
        return PlanOutline(
            steps: [.init("make volume", path(of: name), detail: "\(capacity), \(allocation) allocated")],
            assumptions: [.absent(path: path(of: name))]
        )
    }

    func createVolume(
        _ definition: VolumeDefinition,
        following outline: PlanOutline,
        cancellation: Cancellation
    ) throws(StorageError) -> Volume {
        try outline.checkUnchanged(outlineCreation(of: definition), object: "volume '\(definition.name)'")
        try cancellation.check()
        var made = definition
        made.format = .raw
        made.key = path(of: definition.name)
        made.path = path(of: definition.name)
        made.allocation = min(definition.allocation ?? definition.capacity ?? .zero, definition.capacity ?? .zero)
        let isMade = storage.state.withLock { [made] state in
            // Another thread may have been faster.
            guard state.pools[self.definition.name]?.volumes[made.name] == nil else { return false }
            let identity = FileIdentity(device: 0, inode: state.nextInode)
            state.nextInode += 1
            state.pools[self.definition.name]?.volumes[made.name] =
                InMemoryStorage.StoredVolume(identity: identity, definition: made, made: .now)
            return true
        }
        guard isMade else {
            throw StorageError(.volumeExists, "pool '\(self.definition.name)' has a volume '\(made.name)' already")
        }
        return try volume(named: definition.name)
    }
}

extension InMemoryBackend: VolumeDeleting {
    func outlineDeletion(ofVolume name: String) throws(StorageError) -> PlanOutline {
        let stored = try stored(name)
        return PlanOutline(
            steps: [.init("remove volume", path(of: name))],
            assumptions: [.present(path: path(of: name), identity: stored.identity, made: stored.made, size: nil)]
        )
    }

    func deleteVolume(_ name: String, following outline: PlanOutline) throws(StorageError) {
        try outline.checkUnchanged(outlineDeletion(ofVolume: name), object: "volume '\(name)'")
        storage.state.withLock { $0.pools[definition.name]?.volumes[name] = nil }
    }
}

extension InMemoryBackend: VolumeResizing {
    func outlineResize(of name: String, to size: VolumeSize) throws(StorageError) -> PlanOutline {
        let stored = try stored(name)
        let old = stored.definition.capacity ?? .zero
        let new = try size.capacity(of: Self.volume(stored))
        let available = try usage().available
        guard !size.allocates || new.subtractingClamped(old) <= available else {
            throw StorageError(.noSpace, "pool '\(definition.name)' has no space for volume '\(name)'")
        }
        return PlanOutline(
            steps: new == old ? [] : [.init("resize volume", path(of: name), detail: "\(new)")],
            assumptions: [
                .present(path: path(of: name), identity: stored.identity, made: stored.made, size: old)
            ]
        )
    }

    func resizeVolume(
        _ name: String,
        to size: VolumeSize,
        following outline: PlanOutline,
        cancellation: Cancellation
    ) throws(StorageError) {
        try outline.checkUnchanged(outlineResize(of: name, to: size), object: "volume '\(name)'")
        try cancellation.check()
        let capacity = try size.capacity(of: volume(named: name))
        storage.state.withLock { state in
            guard var volume = state.pools[definition.name]?.volumes[name] else { return }
            let added = capacity.subtractingClamped(volume.definition.capacity ?? .zero)
            let kept = min(volume.definition.allocation ?? .zero, capacity)
            volume.definition.capacity = capacity
            volume.definition.allocation = ByteCount(kept.bytes + (size.allocates ? added.bytes : 0))
            volume.content = Array(volume.content.prefix(Int(clamping: capacity.bytes)))
            state.pools[definition.name]?.volumes[name] = volume
        }
    }
}
