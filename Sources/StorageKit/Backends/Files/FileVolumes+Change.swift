extension FileVolumes {
    func outlineDeletion(of name: String) throws(StorageError) -> PlanOutline {
        let volume = try volume(named: name)
        let status = try openDirectory().status(of: name)
        return PlanOutline(
            steps: [
                .init(
                    status.kind == .directory ? "remove directory" : "remove file",
                    volume.path,
                    detail: status.kind == .directory ? nil : "\(volume.capacity), with its data"
                )
            ],
            assumptions: [.present(path: volume.path, identity: status.identity, size: nil)]
        )
    }

    func deleteVolume(_ name: String, following outline: PlanOutline) throws(StorageError) {
        let directory = try openDirectory()
        let status: FileStatus
        do throws(StorageError) {
            status = try directory.status(of: name)
        } catch {
            throw error.code == .notFound ? notFound(name) : error
        }
        if status.kind == .regular {
            // Held until the name is gone: a resize or an upload by another program holds it too.
            let file = try? directory.open(name, [.readOnly, .noFollow, .nonBlocking])
            if let file, try !file.tryLock(exclusive: true) { throw busy(name) }
            try removeVolume(name, status, in: directory, following: outline)
        } else {
            try removeVolume(name, status, in: directory, following: outline)
        }
    }

    private func removeVolume(
        _ name: String,
        _ status: FileStatus,
        in directory: borrowing OpenFile,
        following outline: PlanOutline
    ) throws(StorageError) {
        try outline.checkUnchanged(outlineDeletion(of: name), object: "volume '\(name)'")
        do throws(StorageError) {
            try directory.remove(name, directory: status.kind == .directory)
        } catch {
            guard error.code == .notEmpty else { throw error }
            throw StorageError(
                .notEmpty,
                "volume '\(name)' of pool '\(poolName)' is a directory that is not empty",
                context: error.context
            )
        }
        try directory.synchronize()
    }

    func outlineResize(of name: String, to size: VolumeSize) throws(StorageError) -> PlanOutline {
        let volume = try volume(named: name)
        guard volume.definition.kind == .file else {
            throw StorageError(.notSupported, "volume '\(name)' of pool '\(poolName)' is a directory and has no size")
        }
        guard size.capacity <= .maximum else {
            throw StorageError(
                .invalidArgument,
                "volume '\(name)': \(size.capacity.bytes) bytes are more than the largest size of a file"
            )
        }
        if size.capacity < volume.capacity, !size.allowsShrinking {
            throw StorageError(
                .invalidArgument,
                "volume '\(name)' has \(volume.capacity) (\(volume.capacity.bytes) bytes); \(size.capacity) "
                    + "(\(size.capacity.bytes) bytes) would cut off its end",
                hint: "allow shrinking if the data there is not needed"
            )
        }
        let directory = try openDirectory()
        let added = size.capacity.subtractingClamped(volume.capacity)
        let available = try directory.filesystemSpace().available
        if size.allocates, added > available { throw noSpace(name, added, available) }
        let identity = try directory.open(name, .place).status().identity
        var steps: [PlanOutline.Step] = []
        if size.capacity != volume.capacity {
            let detail = "\(volume.capacity) to \(size.capacity)" + (size.allocates ? ", what is added allocated" : "")
            steps.append(
                .init(size.capacity < volume.capacity ? "shrink file" : "grow file", volume.path, detail: detail)
            )
        }
        return PlanOutline(
            steps: steps,
            assumptions: [.present(path: volume.path, identity: identity, size: volume.capacity)]
        )
    }

    func resizeVolume(
        _ name: String,
        to size: VolumeSize,
        following outline: PlanOutline,
        cancellation: Cancellation
    ) throws(StorageError) {
        let directory = try openDirectory()
        let file = try directory.open(name, [.readWrite, .nonBlocking], action: "open volume '\(name)' for writing")
        guard try file.tryLock(exclusive: true) else { throw busy(name) }
        try outline.checkUnchanged(outlineResize(of: name, to: size), object: "volume '\(name)'")
        let oldSize = try file.status().size
        guard size.capacity != oldSize else { return }
        do throws(StorageError) {
            try file.setSize(size.capacity)
            if size.allocates, size.capacity > oldSize {
                try file.fill(from: oldSize, to: size.capacity, cancellation: cancellation)
            }
            try file.synchronize()
        } catch {
            // What was cut is lost, but a shrink fails before it cuts; what was added goes.
            if size.capacity > oldSize { try? file.setSize(oldSize) }
            guard error.code == .noSpace else { throw error }
            throw noSpace(name, size.capacity.subtractingClamped(oldSize), try directory.filesystemSpace().available)
        }
    }

    private func busy(_ name: String) -> StorageError {
        StorageError(
            .busy,
            "volume '\(name)' of pool '\(poolName)' is in use by another program",
            hint: "wait for it to end",
            context: StorageError.Context(path: path(of: name))
        )
    }
}
