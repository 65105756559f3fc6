import NameBasedUUID

extension FileVolumes {
    /// The volumes in order of their names; what cannot be a volume, vanishes meanwhile or may not be looked at is
    /// passed over.
    func volumes() throws(StorageError) -> [Volume] {
        let directory = try openDirectory()
        let readsLabels = Self.readsLabels
        var volumes: [Volume] = []
        for name in try directory.entryNames() {
            guard let name, isVolumeName(name) else { continue }
            let volume = Self.orNil { () throws(StorageError) in
                try read(name, in: directory, readsLabels: readsLabels)
            }
            if let volume { volumes.append(volume) }
        }
        return volumes.sorted { $0.name < $1.name }
    }

    func volume(named name: String) throws(StorageError) -> Volume {
        guard isVolumeName(name) else { throw notFound(name) }
        do throws(StorageError) {
            guard let volume = try read(name, in: openDirectory(), readsLabels: Self.readsLabels) else {
                throw notFound(name)
            }
            return volume
        } catch {
            throw error.code == .notFound && error.context.operation == "statx" ? notFound(name) : error
        }
    }

    /// Nil for what cannot be a volume.
    private func read(
        _ name: String,
        in directory: borrowing OpenFile,
        readsLabels: Bool
    ) throws(StorageError) -> Volume? {
        var status = try directory.status(of: name)
        if status.kind == .symbolicLink {
            // Beneath the directory only: a link that leads out is no volume of this pool.
            guard let place = Self.orNil({ () throws(StorageError) in try directory.open(name, .place).status() })
            else { return nil }
            status = place
        }
        guard status.kind == .regular || status.kind == .directory else { return nil }
        var label: String?
        if readsLabels { label = Self.label(of: name, in: directory) }
        var volume = volume(name, status, label: label)
        if status.kind == .regular { volume.problem = problem(of: name, in: directory) }
        return volume
    }

    /// What the volume's record says; nil where it may not be read.
    private func problem(of name: String, in directory: borrowing OpenFile) -> String? {
        Self.orNil { () throws(StorageError) in
            let file = try directory.open(name, [.readOnly, .nonBlocking])
            return try VolumeRecord.read(of: file, named: name, in: directory).problem
        }
    }

    private func volume(_ name: String, _ status: FileStatus, label: String?) -> Volume {
        let isDirectory = status.kind == .directory
        let path = path(of: name)
        var definition = VolumeDefinition(
            name: name,
            capacity: isDirectory ? .zero : status.size,
            allocation: status.allocated,
            format: isDirectory ? .dir : .raw
        )
        definition.kind = isDirectory ? .directory : .file
        definition.key = path
        definition.path = path
        definition.uuid = poolUUID.flatMap { StorageUUID(namespace: $0, name: path) }
        definition.permissions = Permissions(status, label: label)
        return Volume(
            definition: definition,
            physicalSize: isDirectory ? .zero : status.size,
            timestamps: Volume.Timestamps(
                accessed: status.accessed,
                modified: status.modified,
                changed: status.changed,
                born: status.born
            )
        )
    }

    /// Labels cost an open file each, and exist only where SELinux does.
    static var readsLabels: Bool {
        orNil { () throws(StorageError) in try OpenFile("/sys/fs/selinux/enforce", .place).status() } != nil
    }

    private static func label(of name: String, in directory: borrowing OpenFile) -> String? {
        do throws(StorageError) {
            return try directory.open(name, [.readOnly, .nonBlocking]).securityLabel()
        } catch {
            return nil
        }
    }

    private static func orNil<Result>(_ body: () throws(StorageError) -> Result?) -> Result? {
        do throws(StorageError) {
            return try body()
        } catch {
            return nil
        }
    }
}
