extension StorageManager {
    /// Where libvirt keeps its own definitions, as root.
    public static let libvirtDefinitions = "/etc/libvirt/storage"

    /// Takes over the pools that libvirt has defined, with their marks for autostart.
    ///
    /// It blocks. A pool that is defined here already is left as it is; one that cannot be taken holds up no other.
    ///
    /// - Parameters:
    ///   - folder: The folder of the definitions.
    ///   - dryRun: Whether nothing is written.
    /// - Throws: `StorageError` where the folder cannot be read.
    public func importPools(
        from folder: String = StorageManager.libvirtDefinitions,
        dryRun: Bool = false
    ) throws(StorageError) -> [PoolImport] {
        let directory = try OpenFile(folder, [.readOnly, .directory])
        var results: [PoolImport] = []
        for file in try directory.entryNames().compactMap({ $0 }).sorted() where file.hasSuffix(".xml") {
            results.append(importPool(file, from: directory, dryRun: dryRun))
        }
        return results
    }

    private func importPool(_ file: String, from directory: borrowing OpenFile, dryRun: Bool) -> PoolImport {
        let path = "\(directory.path)/\(file)"
        let isAutostarted = (try? directory.status(of: "autostart/\(file)")) != nil
        var name: String?
        func result(_ outcome: PoolImport.Outcome, _ problem: String? = nil) -> PoolImport {
            PoolImport(file: path, pool: name, isAutostarted: isAutostarted, outcome: outcome, problem: problem)
        }
        do throws(StorageError) {
            let bytes = try directory.open(file, .readOnly).readAll(limit: 1 << 20)
            let definition = try PoolDefinition(xml: bytes, source: path)
            name = definition.name
            if let record = try store.record(named: definition.name), record.defined?.uuid == definition.uuid {
                return result(.alreadyDefined)
            }
            let plan = try plan(.define(pool: definition))
            guard !dryRun else { return result(.imported) }
            try apply(plan)
            if isAutostarted { _ = try perform(.autostart(pool: definition.name, isOn: true)) }
            return result(.imported)
        } catch {
            return result(.failed, error.description)
        }
    }
}
