internal import SystemPackage

extension FileVolumes {
    /// The mode of a volume whose document names none, as libvirt has it (`VIR_STORAGE_DEFAULT_VOL_PERM_MODE`).
    private static let defaultMode: UInt32 = 0o600

    func outlineCreation(of definition: VolumeDefinition) throws(StorageError) -> PlanOutline {
        try definition.validate(in: .directory)
        try checkCanCreate(definition)
        let path = path(of: definition.name)
        let directory = try openDirectory()
        guard try directory.isAbsent(definition.name) else { throw exists(definition.name) }
        let (capacity, allocation) = try sizes(of: definition)
        // A sparse volume may be larger than the storage; what is set aside at once may not.
        let available = try directory.filesystemSpace().available
        guard allocation <= available else { throw noSpace(definition.name, allocation, available) }
        let mode = definition.permissions.mode ?? Self.defaultMode
        let layout =
            switch allocation {
            case .zero where capacity > .zero: "sparse"
            case capacity: "fully allocated"
            default: "\(allocation) allocated"
            }
        return PlanOutline(
            steps: [.init("create file", path, detail: "raw, \(capacity), \(layout), mode 0\(String(mode, radix: 8))")],
            assumptions: [.absent(path: path)]
        )
    }

    func createVolume(
        _ definition: VolumeDefinition,
        following outline: PlanOutline,
        cancellation: Cancellation
    ) throws(StorageError) -> Volume {
        try outline.checkUnchanged(outlineCreation(of: definition), object: "volume '\(definition.name)'")
        let (capacity, allocation) = try sizes(of: definition)
        let directory = try openDirectory()
        do throws(StorageError) {
            var file = try UnfinishedFile.make(in: directory, as: path(of: definition.name))
            try file.prepare(definition, mode: definition.permissions.mode ?? Self.defaultMode)
            try file.file.setSize(capacity)
            try file.file.fill(from: .zero, to: allocation, cancellation: cancellation)
            try file.file.synchronize()
            try cancellation.check()
            try file.finish(as: definition.name)
        } catch {
            if error.code == .exists { throw exists(definition.name) }
            throw explained(error, definition.name, allocation, in: directory)
        }
        try directory.synchronizeChange()
        return try volume(named: definition.name)
    }

    private func checkCanCreate(_ definition: VolumeDefinition) throws(StorageError) {
        guard !Self.isReserved(definition.name) else {
            throw StorageError(
                .invalidName,
                "volume name '\(definition.name)' is kept for storlib's own files"
            )
        }
        let reason: String? =
            if let format = definition.format, format != .raw {
                "volumes of format '\(format)' cannot be made"
            } else if definition.backingFile != nil {
                "volumes with a backing file cannot be made"
            } else if definition.encryption != nil {
                "encrypted volumes cannot be made"
            } else {
                nil
            }
        if let reason {
            throw StorageError(.notSupported, "volume '\(definition.name)': \(reason)", hint: "the format 'raw' can")
        }
    }

    /// The size, and what is set aside at once: all of it where the definition does not say.
    private func sizes(of definition: VolumeDefinition) throws(StorageError) -> (ByteCount, ByteCount) {
        guard let capacity = definition.capacity else {
            throw StorageError(.invalidArgument, "volume '\(definition.name)' needs a capacity")
        }
        guard capacity <= .maximum else {
            throw StorageError(
                .invalidArgument,
                "volume '\(definition.name)': \(capacity.bytes) bytes are more than the largest size of a file"
            )
        }
        return (capacity, min(definition.allocation ?? capacity, capacity))
    }

    private func exists(_ name: String) -> StorageError {
        StorageError(
            .volumeExists,
            "pool '\(poolName)' has a volume '\(name)' already",
            context: StorageError.Context(path: path(of: name))
        )
    }

    /// The error for people where the system ran out of space.
    func explained(
        _ error: StorageError,
        _ name: String,
        _ wanted: ByteCount,
        in directory: borrowing OpenFile
    ) -> StorageError {
        if error.cause as? Errno == .fileTooLarge {
            return StorageError(
                .invalidArgument,
                "volume '\(name)' would be larger than a file can be in '\(path)'",
                hint: "the limit is that of the file system there",
                context: error.context,
                cause: error.cause
            )
        }
        guard error.code == .noSpace, let available = try? directory.filesystemSpace().available, wanted > available
        else {
            return error
        }
        return noSpace(name, wanted, available, cause: error)
    }

    func noSpace(
        _ name: String,
        _ wanted: ByteCount,
        _ available: ByteCount,
        cause: StorageError? = nil
    ) -> StorageError {
        StorageError(
            .noSpace,
            "pool '\(poolName)' has no space for volume '\(name)': \(wanted) to be allocated, \(available) available",
            hint: "free some space, or allocate less: a sparse volume takes space as it is written",
            context: cause?.context ?? StorageError.Context(path: path),
            cause: cause?.cause
        )
    }
}

extension OpenFile {
    fileprivate func isAbsent(_ name: String) throws(StorageError) -> Bool {
        do throws(StorageError) {
            _ = try status(of: name)
            return false
        } catch {
            guard error.code == .notFound else { throw error }
            return true
        }
    }
}
