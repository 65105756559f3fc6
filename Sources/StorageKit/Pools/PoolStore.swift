import XML

/// The state folders: definitions, marks for autostart, what runs, locks.
///
/// A file is replaced whole, so that it can be read at any moment without a lock. There is no cache.
struct PoolStore: Sendable {
    let folders: StateFolders
    let lockTimeout: Duration

    private static let suffix = ".xml"
    private var definitionsPath: String { folders.configuration + "/pools" }
    private var autostartPath: String { folders.configuration + "/pools/autostart" }
    var runPath: String { folders.run + "/pools" }
    var watchedPaths: (definitions: String, run: String) { (definitionsPath, runPath) }

    // MARK: Reading

    /// The records of all pools, in order of their names.
    func records() throws(StorageError) -> [PoolRecord] {
        // By their bytes: names that Swift holds for equal are those of different files.
        let names = Set((try names(in: definitionsPath) + names(in: runPath)).map { Array($0.utf8) })
        var records: [PoolRecord] = []
        for name in names.map({ String(decoding: $0, as: UTF8.self) }).sorted() {
            if let record = record(named: name) { records.append(record) }
        }
        return records
    }

    /// The record of a pool; nil where there is no file of it.
    func record(named name: String) -> PoolRecord? {
        let record = PoolRecord(
            name: name,
            definitionEntry: entry(name, in: definitionsPath) { document in ElementReader(document.root) },
            stateEntry: entry(name, in: runPath) { document throws(StorageError) in
                guard document.root.name == "poolstate", let pool = ElementReader(document.root).child("pool") else {
                    throw document.root.error("a pool's state begins with <poolstate><pool>")
                }
                return pool
            },
            isAutostarted: hasAutostartMark(name)
        )
        return record.definitionEntry == .absent && record.stateEntry == .absent ? nil : record
    }

    /// What one file says; whatever is wrong with it is the damage of this pool alone.
    private func entry(
        _ name: String,
        in folder: String,
        pool: (XMLDocument) throws(StorageError) -> ElementReader
    ) -> PoolRecord.Entry {
        let path = path(name, in: folder)
        do throws(StorageError) {
            // A FIFO that somebody put there does not hold up the reading.
            let file = try OpenFile(path, [.readOnly, .nonBlocking])
            guard try file.status().kind == .regular else { return .damaged("'\(path)' is not a file") }
            let document = try XMLDocument(file.readAll(limit: XMLDocument.maximumByteCount), name: path)
            let definition = try PoolDefinition(pool(document))
            guard definition.name.hasSameBytes(as: name) else {
                throw document.root.error("this file names another pool, '\(definition.name.printable)'")
            }
            guard definition.uuid != nil else { throw document.root.error("<uuid> is missing") }
            return .read(definition)
        } catch {
            return error.code == .notFound ? .absent : .damaged(error.description)
        }
    }

    private func names(in folder: String) throws(StorageError) -> [String] {
        let names: [String?]
        do throws(StorageError) {
            names = try OpenFile(folder, [.readOnly, .directory]).entryNames()
        } catch {
            if error.code == .notFound { return [] }
            throw error
        }
        return names.compactMap { $0?.withoutByteSuffix(Self.suffix) }
            .filter { (try? EntityName.pool.check($0)) != nil }
    }

    private func hasAutostartMark(_ name: String) -> Bool {
        (try? OpenFile(path(name, in: autostartPath), [.place, .noFollow])) != nil
    }

    func path(_ name: String, in folder: String) -> String { "\(folder)/\(name)\(Self.suffix)" }

    // MARK: Writing, under the pool's exclusive lock

    func definitionPath(_ name: String) -> String { path(name, in: definitionsPath) }
    func statePath(_ name: String) -> String { path(name, in: runPath) }
    func autostartPath(_ name: String) -> String { path(name, in: autostartPath) }

    func writeDefinition(_ definition: PoolDefinition) throws(StorageError) {
        let folder = try makeFolder(definitionsPath)
        // A mark that outlived its definition is not for this one.
        if entryIsAbsent(definition.name) { try setAutostart(false, definition.name) }
        try folder.replace(definition.name + Self.suffix, with: Array(definition.xml().utf8), mode: 0o644)
    }

    private func entryIsAbsent(_ name: String) -> Bool {
        (try? OpenFile(definitionPath(name), [.place, .noFollow])) == nil
    }

    func removeDefinition(_ name: String) throws(StorageError) {
        let isAutostarted = hasAutostartMark(name)
        do throws(StorageError) {
            // The mark first: a mark without a definition would start what comes to have this name.
            try setAutostart(false, name)
            try remove(name, in: definitionsPath)
        } catch {
            if isAutostarted { try? setAutostart(true, name) }
            throw error
        }
    }

    func writeState(_ definition: PoolDefinition) throws(StorageError) {
        var writer = XMLWriter()
        writer.element("poolstate") { definition.write(to: &$0, usage: .zero) }
        let folder = try makeFolder(runPath)
        try folder.replace(definition.name + Self.suffix, with: writer.bytes, mode: 0o644)
    }

    func removeState(_ name: String) throws(StorageError) {
        try remove(name, in: runPath)
    }

    func setAutostart(_ isOn: Bool, _ name: String) throws(StorageError) {
        guard isOn else { return try remove(name, in: autostartPath) }
        let folder = try makeFolder(autostartPath)
        do throws(StorageError) {
            try folder.makeSymbolicLink(name + Self.suffix, to: "../\(name)\(Self.suffix)")
        } catch {
            guard error.code == .exists else { throw error }
        }
        try folder.synchronizeChange()
    }

    private func remove(_ name: String, in folder: String) throws(StorageError) {
        do throws(StorageError) {
            let directory = try OpenFile(folder, [.readOnly, .directory])
            try directory.remove(name + Self.suffix)
            try directory.synchronizeChange()
        } catch {
            guard error.code == .notFound else { throw error }
        }
    }

    private func makeFolder(_ path: String) throws(StorageError) -> OpenFile {
        try OpenFile.directory(path, makingWithMode: 0o755)
    }

    /// Makes the folders in which names are watched.
    func makeFolders() throws(StorageError) {
        _ = try makeFolder(definitionsPath)
        _ = try makeFolder(runPath)
    }
}
