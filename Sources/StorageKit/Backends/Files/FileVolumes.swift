/// Volumes that are the files of one directory.
///
/// Every name is opened beneath the directory, so that none leads out of it.
struct FileVolumes: Sendable {
    /// The pool's name, for errors.
    let poolName: String
    /// The pool's UUID, from which those of its volumes follow.
    let poolUUID: StorageUUID?
    /// The directory.
    let path: String

    init(_ definition: PoolDefinition) {
        poolName = definition.name
        poolUUID = definition.uuid
        path = definition.targetPath ?? ""
    }

    /// Opens the directory, which must exist.
    ///
    /// - Parameter isStarting: Whether the pool is yet to be started.
    func openDirectory(isStarting: Bool = false) throws(StorageError) -> OpenFile {
        do throws(StorageError) {
            return try OpenFile(
                path,
                [.readOnly, .directory],
                action: "open the directory '\(path)' of pool '\(poolName)'"
            )
        } catch {
            switch error.code {
            case .notFound:
                throw StorageError(
                    .notFound,
                    "the directory '\(path)' of pool '\(poolName)' does not exist",
                    hint: isStarting ? "build the pool to make it" : "is the file system mounted that held it?",
                    context: error.context,
                    cause: error.cause
                )
            case .notADirectory:
                throw StorageError(
                    .notADirectory,
                    "the target '\(path)' of pool '\(poolName)' is not a directory",
                    context: error.context,
                    cause: error.cause
                )
            default: throw error
            }
        }
    }

    func path(of name: String) -> String {
        path.utf8.last == UInt8(ascii: "/") ? path + name : "\(path)/\(name)"
    }

    /// The name of the volume at a path; the path may reach the directory by another way than the pool's own.
    func volumeName(path: String) throws(StorageError) -> String? {
        guard let (parent, name) = path.splitPath, isVolumeName(name) else { return nil }
        if parent.hasSameBytes(as: self.path) { return name }
        do throws(StorageError) {
            let theirs = try OpenFile(parent, [.place, .directory]).status().identity
            return try theirs == openDirectory().status().identity ? name : nil
        } catch {
            return nil
        }
    }

    /// Whether a file of this name is a volume, and none of storlib's own.
    func isVolumeName(_ name: String) -> Bool {
        do throws(StorageError) {
            try EntityName.volume.check(name)
            return !Self.isReserved(name)
        } catch {
            return false
        }
    }

    func usage() throws(StorageError) -> PoolUsage {
        let space = try openDirectory().filesystemSpace()
        return PoolUsage(capacity: space.capacity, allocation: space.used, available: space.available)
    }

    func targetPermissions() throws(StorageError) -> Permissions {
        let directory = try openDirectory()
        return try Permissions(directory.status(), label: Self.readsLabels ? directory.securityLabel() : nil)
    }

    func notFound(_ name: String) -> StorageError {
        StorageError(.volumeNotFound, "pool '\(poolName)' has no volume '\(name.printable)'")
    }
}

extension Permissions {
    init(_ status: FileStatus, label: String?) {
        self.init(
            mode: status.mode & Self.maximumMode,
            owner: status.owner,
            group: status.group,
            label: label
        )
    }
}
