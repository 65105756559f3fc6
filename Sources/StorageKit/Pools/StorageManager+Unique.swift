extension StorageManager {
    /// Refuses a definition whose UUID or source another pool has, or whose name another UUID has.
    ///
    /// - Parameter comparingDirectories: Whether directories are looked at, to find one that has several names.
    func checkUnique(_ definition: PoolDefinition, comparingDirectories: Bool) throws(StorageError) {
        let identity = comparingDirectories ? definition.directoryIdentity : nil
        for record in try store.records() {
            for other in [record.defined, record.running].compactMap(\.self) {
                if record.name.hasSameBytes(as: definition.name) {
                    try checkSameUUID(definition, other)
                } else if other.uuid == definition.uuid, let uuid = definition.uuid {
                    throw StorageError(
                        .poolExists,
                        "UUID \(uuid) is that of pool '\(other.name)'",
                        hint: "leave <uuid> out to get a new one"
                    )
                } else if let source = definition.sharedSource(with: other, identity) {
                    throw StorageError(
                        .poolExists,
                        "pool '\(other.name)' has \(source) already",
                        hint: "use that pool, or undefine it first"
                    )
                }
            }
        }
    }

    /// Refuses to start a pool in the directory of one that runs: two definitions can name it differently, and be made
    /// before it is.
    func checkDirectoryIsFree(_ definition: PoolDefinition) throws(StorageError) {
        guard let identity = definition.directoryIdentity else { return }
        for record in try store.records() where !record.name.hasSameBytes(as: definition.name) {
            guard let other = record.running, let source = definition.sharedSource(with: other, identity) else {
                continue
            }
            throw StorageError(.poolExists, "pool '\(other.name)' runs on \(source) already", hint: "use that pool")
        }
    }

    private func checkSameUUID(_ definition: PoolDefinition, _ other: PoolDefinition) throws(StorageError) {
        guard other.uuid != definition.uuid, let uuid = other.uuid else { return }
        throw StorageError(
            .poolExists,
            "there is a pool '\(other.name)' already, with UUID \(uuid)",
            hint: "leave <uuid> out to define that pool anew, or use another name"
        )
    }
}

extension PoolDefinition {
    /// What two pools would both carve up, in words; nil where there is nothing (libvirt's
    /// `virStoragePoolObjSourceFindDuplicate`).
    ///
    /// - Parameter identity: The definition's own directory, where directories are to be compared.
    fileprivate func sharedSource(with other: PoolDefinition, _ identity: FileIdentity?) -> String? {
        switch kind {
        case .directory:
            guard other.kind == kind, let path = targetPath, let otherPath = other.targetPath else { return nil }
            let isSame =
                path.hasSameBytes(as: otherPath) || identity.map { $0 == other.directoryIdentity } == true
            return isSame ? "the directory '\(otherPath)'" : nil
        case .networkFilesystem, .gluster:
            guard other.kind == kind, source.hosts.first == other.source.hosts.first,
                source.directory == other.source.directory, source.name == other.source.name
            else { return nil }
            return "'\(source.hosts.first?.name ?? ""):\(source.directory ?? "")'"
        case .filesystem, .logical, .disk, .zfs:
            guard [.filesystem, .logical, .disk, .zfs].contains(other.kind) else { return nil }
            if kind == .logical || kind == .zfs, other.kind == kind, source.name == other.source.name {
                return kind == .logical
                    ? "the volume group '\(source.name ?? "")'" : "the ZFS pool '\(source.name ?? "")'"
            }
            let devices = Set(source.devices.map(\.path))
            return other.source.devices.first { devices.contains($0.path) }.map { "the device '\($0.path)'" }
        case .iscsi:
            guard other.kind == kind, source.devices.first?.path == other.source.devices.first?.path,
                source.initiator == other.source.initiator
            else { return nil }
            return "the target '\(source.devices.first?.path ?? "")'"
        case .scsi:
            return other.kind == kind && source.adapter == other.source.adapter ? "the adapter" : nil
        case .multipath:
            return other.kind == kind ? "the multipath devices of the host" : nil
        case .iscsiDirect, .rbd, .sheepdog, .virtuozzo:
            return nil
        }
    }

    /// Which directory a directory pool is, by whatever name; nil where there is none.
    fileprivate var directoryIdentity: FileIdentity? {
        guard kind == .directory, let targetPath else { return nil }
        return try? OpenFile(targetPath, .place).status().identity
    }
}
