extension FileVolumes {
    func outlineDeletion(of name: String) throws(StorageError) -> PlanOutline {
        let volume = try volume(named: name)
        let status = try openDirectory().status(of: name)
        let step: PlanOutline.Step =
            switch status.kind {
            case .directory: .init("remove directory", volume.path)
            case .symbolicLink: .init("remove link", volume.path, detail: "not what it names")
            default: .init("remove file", volume.path, detail: "\(volume.capacity), with its data")
            }
        if status.kind == .directory, try !openDirectory().open(name, [.readOnly, .directory]).entryNames().isEmpty {
            throw notEmpty(name)
        }
        var outline = PlanOutline(steps: [step], assumptions: [.file(volume.path, status)])
        for file in try dataFiles(of: volume) {
            let status = try openDirectory().status(of: file)
            outline.steps.append(.init("remove file", path(of: file), detail: "\(status.size), the data of '\(name)'"))
            outline.assumptions.append(.file(path(of: file), status))
        }
        return outline
    }

    /// The files beside a volume that were made with it, and in which its image still has its data.
    private func dataFiles(of volume: Volume) throws(StorageError) -> [String] {
        guard let named = volume.image?.dataFiles, !named.isEmpty else { return [] }
        let directory = try openDirectory()
        let file = try directory.open(volume.name, [.readOnly, .nonBlocking])
        let made = try VolumeRecord.read(of: file, named: volume.name, in: directory).dataFiles
        return made.filter { name in
            named.contains { $0.hasSameBytes(as: name) } && isVolumeName(name)
                && (try? directory.status(of: name).kind) == .regular
        }
    }

    func deleteVolume(_ name: String, following outline: PlanOutline) throws(StorageError) {
        let directory = try openDirectory()
        switch try statusOrNotFound(name, in: directory).kind {
        case .regular:
            // A resize or an upload by another program holds the lock too.
            let names = try [name] + dataFiles(of: volume(named: name))
            try withLock(on: names, in: directory) { () throws(StorageError) in
                try remove(name, in: directory, following: outline)
            }
        default: try remove(name, in: directory, following: outline)
        }
    }

    private func remove(
        _ name: String,
        in directory: borrowing OpenFile,
        following outline: PlanOutline
    ) throws(StorageError) {
        try outline.checkUnchanged(outlineDeletion(of: name), object: "volume '\(name)'")
        let isDirectory = try statusOrNotFound(name, in: directory).kind == .directory
        let dataFiles = isDirectory ? [] : try dataFiles(of: volume(named: name))
        do throws(StorageError) {
            try directory.remove(name, directory: isDirectory)
        } catch {
            throw error.code == .notEmpty ? notEmpty(name) : error
        }
        VolumeRecord.removeFile(for: name, in: directory)
        // The image first: without it its data is a volume that is whole, and the image without its data is none.
        for file in dataFiles {
            do throws(StorageError) {
                try directory.remove(file)
            } catch {
                throw StorageError(
                    error.code,
                    error.message,
                    hint:
                        "volume '\(name)' is removed, and what it had in '\(file.printable)' is a volume of its own now",
                    context: error.context,
                    cause: error.cause
                )
            }
            VolumeRecord.removeFile(for: file, in: directory)
        }
        try directory.synchronizeChange()
    }

    private func notEmpty(_ name: String) -> StorageError {
        StorageError(
            .notEmpty,
            "volume '\(name)' of pool '\(poolName)' is a directory that is not empty",
            context: StorageError.Context(path: path(of: name))
        )
    }

    private func statusOrNotFound(_ name: String, in directory: borrowing OpenFile) throws(StorageError) -> FileStatus {
        do throws(StorageError) {
            return try directory.status(of: name)
        } catch {
            throw error.code == .notFound ? notFound(name) : error
        }
    }

    /// Keeps other programs from the volume.
    ///
    /// A file that may not be written to cannot be locked, and need not be: nobody
    /// who obeys its mode changes it.
    private func withLock(
        on names: [String],
        in directory: borrowing OpenFile,
        _ body: () throws(StorageError) -> Void
    ) throws(StorageError) {
        guard let name = names.first else { return try body() }
        let others = Array(names.dropFirst())
        let file: OpenFile
        do throws(StorageError) {
            file = try directory.open(name, [.readWrite, .noFollow, .nonBlocking])
        } catch {
            guard error.code == .permissionDenied else { throw error }
            return try withLock(on: others, in: directory, body)
        }
        guard try file.tryLock(exclusive: true) else { throw busy(name, file) }
        try withLock(on: others, in: directory, body)
        withExtendedLifetime(file) {}
    }

    func outlineResize(of name: String, to size: VolumeSize) throws(StorageError) -> PlanOutline {
        let volume = try volume(named: name)
        guard volume.definition.kind == .file else {
            throw StorageError(.notSupported, "volume '\(name)' of pool '\(poolName)' is a directory and has no size")
        }
        if volume.definition.format != .raw { return try outlineImageResize(volume, to: size) }
        let capacity = try size.capacity(of: volume)
        let directory = try openDirectory()
        let added = capacity.subtractingClamped(volume.capacity)
        let available = try directory.filesystemSpace().available
        if size.allocates, added > available { throw noSpace(name, added, available) }
        let status = try directory.open(name, .place).status()
        var steps: [PlanOutline.Step] = []
        if capacity != volume.capacity {
            let detail = "\(volume.capacity) to \(capacity)" + (size.allocates ? ", what is added allocated" : "")
            steps.append(.init(capacity < volume.capacity ? "shrink file" : "grow file", volume.path, detail: detail))
        }
        return PlanOutline(steps: steps, assumptions: [.file(volume.path, status, size: volume.capacity)])
    }

    func resizeVolume(
        _ name: String,
        to size: VolumeSize,
        following outline: PlanOutline,
        cancellation: Cancellation
    ) throws(StorageError) {
        let found = try volume(named: name)
        if found.definition.kind == .file, found.definition.format != .raw {
            return try resizeImage(found, to: size, following: outline, cancellation: cancellation)
        }
        let directory = try openDirectory()
        let file = try openExclusively(name, in: directory)
        try outline.checkUnchanged(outlineResize(of: name, to: size), object: "volume '\(name)'")
        let oldSize = try file.status().size
        let newSize = try size.capacity(of: volume(named: name))
        guard newSize != oldSize else { return }
        do throws(StorageError) {
            // The size last: until then the volume is as it was for whoever looks, and after a kill.
            if size.allocates, newSize > oldSize {
                try file.fill(from: oldSize, to: newSize, cancellation: cancellation)
            }
            try file.setSize(newSize)
            try file.synchronize()
        } catch {
            // What was cut is lost, but a shrink fails before it cuts; what was added goes.
            if newSize > oldSize { try? file.setSize(oldSize) }
            throw explained(error, name, newSize.subtractingClamped(oldSize), in: directory)
        }
    }
}
