extension DirectoryBackend: PoolBuilding {
    /// The mode of a directory whose document names none, as libvirt has it (`VIR_STORAGE_DEFAULT_POOL_PERM_MODE`).
    private static let defaultMode: UInt32 = 0o711

    func outlineBuild(_ mode: BuildMode) throws(StorageError) -> PlanOutline {
        var steps: [PlanOutline.Step] = []
        var assumptions: [PlanOutline.Assumption] = []
        for path in missingDirectories(mode) {
            let isTarget = path == files.path
            let detail = isTarget ? "mode 0\(String(definition.permissions.mode ?? Self.defaultMode, radix: 8))" : nil
            steps.append(.init("make directory", path, detail: detail))
            assumptions.append(.absent(path: path))
        }
        if steps.isEmpty {
            let directory = try files.openDirectory()
            if mode == .noOverwrite, try !directory.entryNames().isEmpty {
                throw StorageError(
                    .notEmpty,
                    "the directory '\(files.path)' of pool '\(definition.name)' exists and is not empty",
                    hint: "build without --no-overwrite keeps what is in it"
                )
            }
            try assumptions.append(
                .present(path: files.path, identity: directory.status().identity, size: nil)
            )
            let permissions = definition.permissions
            let details = [
                permissions.mode.map { "mode 0\(String($0, radix: 8))" },
                permissions.owner.map { "owner \($0)" },
                permissions.group.map { "group \($0)" },
            ]
            .compactMap(\.self)
            if !details.isEmpty {
                steps.append(.init("set", files.path, detail: details.joined(separator: ", ")))
            }
        }
        return PlanOutline(steps: steps, assumptions: assumptions)
    }

    func build(_ mode: BuildMode, following outline: PlanOutline) throws(StorageError) {
        try outline.checkUnchanged(outlineBuild(mode), object: "the directory of pool '\(definition.name)'")
        var made: [String] = []
        do throws(StorageError) {
            for path in missingDirectories(mode) {
                let (parent, name) = Self.split(path)
                let directory = try OpenFile(parent, [.readOnly, .directory])
                // The target gets its own mode below, once it has its owner.
                try directory.makeDirectory(name, mode: path == files.path ? 0o700 : 0o777)
                made.append(path)
                try directory.synchronize()
            }
            try setAttributes(isNew: !made.isEmpty)
        } catch {
            for path in made.reversed() {
                let (parent, name) = Self.split(path)
                try? OpenFile(parent, [.readOnly, .directory]).remove(name, directory: true)
            }
            throw error
        }
    }

    private func setAttributes(isNew: Bool) throws(StorageError) {
        let directory = try files.openDirectory()
        let permissions = definition.permissions
        try setCopyOnWrite(directory)
        try directory.setOwner(permissions.owner, group: permissions.group)
        if let mode = permissions.mode ?? (isNew ? Self.defaultMode : nil) { try directory.setMode(mode) }
        if let label = permissions.label, FileVolumes.readsLabels { try directory.setSecurityLabel(label) }
        try directory.synchronize()
    }

    /// Images on btrfs are better off without copy-on-write: without a wish it is turned off where that is possible.
    private func setCopyOnWrite(_ directory: borrowing OpenFile) throws(StorageError) {
        let isOnBtrfs = try directory.isOnBtrfs()
        if let copyOnWrite = definition.copyOnWrite {
            guard isOnBtrfs else {
                throw StorageError(
                    .notSupported,
                    "<cow state> of pool '\(definition.name)' is for btrfs, and '\(files.path)' is on another file system",
                    hint: "leave <features><cow> out"
                )
            }
            try directory.setCopyOnWrite(copyOnWrite)
        } else if isOnBtrfs {
            try? directory.setCopyOnWrite(false)
        }
    }

    /// The target and those above it that do not exist, the uppermost first.
    private func missingDirectories(_ mode: BuildMode) -> [String] {
        var missing: [String] = []
        var path = files.path
        while path != "/", !Self.exists(path) {
            missing.append(path)
            path = Self.split(path).parent
        }
        return missing.reversed()
    }

    private static func exists(_ path: String) -> Bool {
        do throws(StorageError) {
            _ = try OpenFile(path, .place)
            return true
        } catch {
            return error.code != .notFound
        }
    }

    static func split(_ path: String) -> (parent: String, name: String) {
        guard let slash = path.lastIndex(of: "/") else { return (".", path) }
        let name = String(path[path.index(after: slash)...])
        return (slash == path.startIndex ? "/" : String(path[..<slash]), name)
    }
}

extension DirectoryBackend: PoolDeleting {
    func outlineDeletion() throws(StorageError) -> PlanOutline {
        let directory = try files.openDirectory()
        let names = try directory.entryNames().filter { !($0.map(FileVolumes.isUnfinished) ?? false) }
        guard names.isEmpty else {
            throw StorageError(
                .notEmpty,
                "the directory '\(files.path)' of pool '\(definition.name)' is not empty: it holds "
                    + (names.count == 1 ? "1 file" : "\(names.count) files"),
                hint: "delete its volumes first"
            )
        }
        return try PlanOutline(
            steps: [.init("remove directory", files.path)],
            assumptions: [.present(path: files.path, identity: directory.status().identity, size: nil)]
        )
    }

    func delete(following outline: PlanOutline) throws(StorageError) {
        try files.sweep()
        try outline.checkUnchanged(outlineDeletion(), object: "the directory of pool '\(definition.name)'")
        let (parent, name) = Self.split(files.path)
        let directory = try OpenFile(parent, [.readOnly, .directory])
        try directory.remove(name, directory: true)
        try directory.synchronize()
    }
}
