extension StorageManager {
    /// Where libvirt keeps its own definitions, as root.
    public static let libvirtDefinitions = "/etc/libvirt/storage"

    /// Takes over the pools that libvirt has defined, with their marks for autostart.
    ///
    /// It blocks. A pool that is defined here already keeps its definition, and gets the mark; one that cannot be taken holds up no other.
    ///
    /// - Parameters:
    ///   - folder: The folder of the definitions.
    ///   - dryRun: Whether nothing is written.
    /// - Throws: `StorageError` where the folder cannot be read.
    public func importPools(
        from folder: String = StorageManager.libvirtDefinitions,
        dryRun: Bool = false
    ) throws(StorageError) -> [PoolImport] {
        var results: [PoolImport] = []
        for file in try OpenFile(folder, [.readOnly, .directory]).entryNames().compactMap({ $0 }).sorted() {
            guard file.withoutByteSuffix(".xml") != nil else { continue }
            results.append(importPool(file, from: folder, dryRun: dryRun))
        }
        return results
    }

    private func importPool(_ file: String, from folder: String, dryRun: Bool) -> PoolImport {
        let path = "\(folder)/\(file)"
        let isAutostarted = (try? OpenFile("\(folder)/autostart/\(file)", [.place, .noFollow])) != nil
        var name: String?
        func result(_ outcome: PoolImport.Outcome, _ problem: String? = nil) -> PoolImport {
            PoolImport(file: path, pool: name, isAutostarted: isAutostarted, outcome: outcome, problem: problem)
        }
        do throws(StorageError) {
            // A link, as configuration managers make them, is followed; a FIFO does not hold up the others.
            let document = try OpenFile(path, [.readOnly, .nonBlocking])
            guard try document.status().kind == .regular else {
                throw StorageError(.invalidDocument, "'\(path)' is not a file")
            }
            let definition = try PoolDefinition(xml: document.readAll(limit: 1 << 20), source: path)
            name = definition.name
            let defined = store.record(named: definition.name)?.defined
            let isDefined = defined != nil && (definition.uuid == nil || definition.uuid == defined?.uuid)
            if !isDefined {
                let plan = try plan(.define(pool: definition))
                if !dryRun { try apply(plan) }
            }
            if isAutostarted, !dryRun { _ = try perform(.autostart(pool: definition.name, isOn: true)) }
            return result(isDefined ? .alreadyDefined : .imported)
        } catch {
            return result(.failed, error.description)
        }
    }
}
