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
        let names = Set(try names(in: definitionsPath)).union(try names(in: runPath))
        var records: [PoolRecord] = []
        for name in names.sorted() {
            if let record = try record(named: name) { records.append(record) }
        }
        return records
    }

    /// The record of a pool; nil where there is no file of it.
    func record(named name: String) throws(StorageError) -> PoolRecord? {
        var record = PoolRecord(name: name)
        var exists = false
        if let bytes = try read(name, in: definitionsPath) {
            exists = true
            record.isPersistent = true
            record.isAutostarted = try hasAutostartMark(name)
            record.defined = parse(bytes, path(name, in: definitionsPath), into: &record) { document in
                ElementReader(document.root)
            }
        }
        if let bytes = try read(name, in: runPath) {
            exists = true
            record.running = parse(bytes, path(name, in: runPath), into: &record) { document throws(StorageError) in
                guard document.root.name == "poolstate",
                    let pool = ElementReader(document.root).child("pool")
                else { throw document.root.error("a pool's state begins with <poolstate><pool>") }
                return pool
            }
        }
        return exists ? record : nil
    }

    private func parse(
        _ bytes: [UInt8],
        _ path: String,
        into record: inout PoolRecord,
        pool: (XMLDocument) throws(StorageError) -> ElementReader
    ) -> PoolDefinition? {
        do throws(StorageError) {
            let document = try XMLDocument(bytes, name: path)
            let definition = try PoolDefinition(pool(document))
            guard definition.name == record.name else {
                throw document.root.error("this file names another pool, '\(definition.name.printable)'")
            }
            guard definition.uuid != nil else { throw document.root.error("<uuid> is missing") }
            return definition
        } catch {
            record.damage = record.damage ?? error.description
            return nil
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
        return names.compactMap { $0 }.filter { $0.hasSuffix(Self.suffix) }
            .map { String($0.dropLast(Self.suffix.count)) }
    }

    private func read(_ name: String, in folder: String) throws(StorageError) -> [UInt8]? {
        do throws(StorageError) {
            return try OpenFile(path(name, in: folder), .readOnly).readAll(limit: XMLDocument.maximumByteCount + 1)
        } catch {
            if error.code == .notFound { return nil }
            throw error
        }
    }

    private func hasAutostartMark(_ name: String) throws(StorageError) -> Bool {
        do throws(StorageError) {
            _ = try OpenFile(path(name, in: autostartPath), [.place, .noFollow])
            return true
        } catch {
            if error.code == .notFound { return false }
            throw error
        }
    }

    func path(_ name: String, in folder: String) -> String { "\(folder)/\(name)\(Self.suffix)" }

    // MARK: Writing, under the pool's exclusive lock

    func definitionPath(_ name: String) -> String { path(name, in: definitionsPath) }
    func statePath(_ name: String) -> String { path(name, in: runPath) }
    func autostartPath(_ name: String) -> String { path(name, in: autostartPath) }

    func writeDefinition(_ definition: PoolDefinition) throws(StorageError) {
        let folder = try makeFolder(definitionsPath)
        try folder.replace(definition.name + Self.suffix, with: Array(definition.xml().utf8), mode: 0o644)
    }

    func removeDefinition(_ name: String) throws(StorageError) {
        let isAutostarted = try hasAutostartMark(name)
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
        try folder.synchronize()
    }

    private func remove(_ name: String, in folder: String) throws(StorageError) {
        do throws(StorageError) {
            let directory = try OpenFile(folder, [.readOnly, .directory])
            try directory.remove(name + Self.suffix)
            try directory.synchronize()
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
