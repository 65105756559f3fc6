extension DirectoryBackend: PoolBuilding {
    /// The mode of a directory whose document names none, as libvirt has it (`VIR_STORAGE_DEFAULT_POOL_PERM_MODE`).
    private static let defaultMode: UInt32 = 0o711

    func outlineBuild(_ mode: BuildMode) throws(StorageError) -> PlanOutline {
        guard mode != .overwrite else {
            throw StorageError(
                .notSupported,
                "pool '\(definition.name)' is a directory: there is nothing to overwrite",
                hint: "build it without"
            )
        }
        let (existing, missing) = existingAndMissing()
        let directory =
            missing.isEmpty
            ? try files.openDirectory() : try OpenFile(existing, [.readOnly, .directory])
        let isOnBtrfs = try directory.isOnBtrfs()
        if definition.copyOnWrite != nil, !isOnBtrfs { throw notOnBtrfs() }
        if let first = missing.first, (try? directory.status(of: first)) != nil {
            throw StorageError(
                .exists,
                "'\(first)' in '\(existing)', on the way to the target of pool '\(definition.name)', is a link to nothing",
                hint: "remove it, or make what it names"
            )
        }
        guard missing.isEmpty else {
            var path = existing == "/" ? "" : existing
            var steps: [PlanOutline.Step] = []
            for name in missing {
                path += "/" + name
                steps.append(.init("make directory", path))
            }
            steps[steps.count - 1].detail = attributes(isNew: true, isOnBtrfs).joined(separator: ", ")
            return PlanOutline(
                steps: steps,
                assumptions: [.directory(existing, try directory.status()), .absent(path: steps[0].object)]
            )
        }
        if mode == .noOverwrite, try !directory.entryNames().isEmpty {
            throw StorageError(
                .notEmpty,
                "the directory '\(files.path)' of pool '\(definition.name)' exists and is not empty",
                hint: "a build that may find something keeps it"
            )
        }
        let details = attributes(isNew: false, isOnBtrfs)
        return try PlanOutline(
            steps: details.isEmpty ? [] : [.init("set", files.path, detail: details.joined(separator: ", "))],
            assumptions: [.directory(files.path, directory.status())]
        )
    }

    func build(_ mode: BuildMode, following outline: PlanOutline) throws(StorageError) {
        try outline.checkUnchanged(outlineBuild(mode), object: "the directory of pool '\(definition.name)'")
        let (existing, missing) = existingAndMissing()
        guard !missing.isEmpty else { return try setAttributes(of: files.openDirectory(), isNew: false) }
        try make(missing[...], in: OpenFile(existing, [.readOnly, .directory]))
    }

    /// Makes directories, each in the one before, by descriptor: a link that somebody puts in the way is not followed.
    private func make(_ names: ArraySlice<String>, in parent: borrowing OpenFile) throws(StorageError) {
        guard let name = names.first else { return }
        let isTarget = names.count == 1
        // The target gets its own mode below, once it has its owner.
        try parent.makeDirectory(name, mode: isTarget ? 0o700 : 0o777)
        do throws(StorageError) {
            try parent.synchronize()
            let directory = try parent.open(name, [.readOnly, .directory, .noFollow])
            if isTarget {
                try setAttributes(of: directory, isNew: true)
            } else {
                try make(names.dropFirst(), in: directory)
            }
        } catch {
            try? parent.remove(name, directory: true)
            throw error
        }
    }

    private func setAttributes(of directory: borrowing OpenFile, isNew: Bool) throws(StorageError) {
        let permissions = definition.permissions
        try setCopyOnWrite(of: directory)
        try directory.setOwner(permissions.owner, group: permissions.group)
        if let mode = mode(isNew: isNew) { try directory.setMode(mode) }
        if let label = permissions.label, FileVolumes.readsLabels { try directory.setSecurityLabel(label) }
        try directory.synchronize()
    }

    private func mode(isNew: Bool) -> UInt32? {
        definition.permissions.mode ?? (isNew ? Self.defaultMode : nil)
    }

    /// Images on btrfs are better off without copy-on-write: without a wish it is turned off where that is possible.
    private func setCopyOnWrite(of directory: borrowing OpenFile) throws(StorageError) {
        let isOnBtrfs = try directory.isOnBtrfs()
        if let copyOnWrite = definition.copyOnWrite {
            guard isOnBtrfs else { throw notOnBtrfs() }
            try directory.setCopyOnWrite(copyOnWrite)
        } else if isOnBtrfs {
            try? directory.setCopyOnWrite(false)
        }
    }

    private func notOnBtrfs() -> StorageError {
        StorageError(
            .notSupported,
            "<cow state> of pool '\(definition.name)' is for btrfs, and '\(files.path)' is on another file system",
            hint: "leave <features><cow> out"
        )
    }

    /// What ``setAttributes(of:isNew:)`` does, in words.
    private func attributes(isNew: Bool, _ isOnBtrfs: Bool) -> [String] {
        let permissions = definition.permissions
        return [
            mode(isNew: isNew).map { "mode 0\(String($0, radix: 8))" },
            permissions.owner.map { "owner \($0)" },
            permissions.group.map { "group \($0)" },
            FileVolumes.readsLabels ? permissions.label.map { "label \($0)" } : nil,
            isOnBtrfs ? "copy-on-write \(definition.copyOnWrite == true ? "on" : "off")" : nil,
        ]
        .compactMap(\.self)
    }

    /// The lowest directory that exists on the way to the target, and the names to be made below it.
    private func existingAndMissing() -> (existing: String, missing: [String]) {
        var missing: [String] = []
        var path = files.path
        while path != "/", !Self.exists(path), let (parent, name) = path.splitPath {
            missing.append(name)
            path = parent
        }
        return (path, missing.reversed())
    }

    private static func exists(_ path: String) -> Bool {
        do throws(StorageError) {
            _ = try OpenFile(path, .place)
            return true
        } catch {
            return error.code != .notFound
        }
    }
}

extension DirectoryBackend: PoolDeleting {
    func outlineDeletion() throws(StorageError) -> PlanOutline {
        let directory = try files.openDirectory()
        let names = try directory.entryNames().filter { !($0.map(FileVolumes.isReserved) ?? false) }
        guard names.isEmpty else {
            throw StorageError(
                .notEmpty,
                "the directory '\(files.path)' of pool '\(definition.name)' is not empty: it holds "
                    + (names.count == 1 ? "1 file" : "\(names.count) files"),
                hint: "delete its volumes first"
            )
        }
        if let (parent, name) = files.path.splitPath,
            try OpenFile(parent, [.readOnly, .directory]).status(of: name).kind != .directory
        {
            throw StorageError(
                .notADirectory,
                "the target '\(files.path)' of pool '\(definition.name)' is a link to a directory",
                hint: "remove it by hand"
            )
        }
        return try PlanOutline(
            steps: [.init("remove directory", files.path)],
            assumptions: [.directory(files.path, directory.status())]
        )
    }

    func delete(following outline: PlanOutline) throws(StorageError) {
        try files.sweep(isForPoolDeletion: true)
        try outline.checkUnchanged(outlineDeletion(), object: "the directory of pool '\(definition.name)'")
        guard let (parent, name) = files.path.splitPath else { return }
        let directory = try OpenFile(parent, [.readOnly, .directory])
        try directory.remove(name, directory: true)
        try directory.synchronizeChange()
    }
}
