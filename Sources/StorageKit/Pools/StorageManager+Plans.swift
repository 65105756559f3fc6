extension StorageManager {
    /// Looks at a change and says what it would do; it changes nothing.
    ///
    /// It blocks.
    ///
    /// - Returns: The plan. Its change is complete: a definition has its UUID, a size is absolute.
    /// - Throws: `StorageError` where the change would be refused.
    public func plan(_ change: Change) throws(StorageError) -> Plan {
        let change = try completed(change)
        return try Plan(change, outline(change))
    }

    func completed(_ change: Change) throws(StorageError) -> Change {
        switch change {
        case .define(let definition): try .define(pool: completed(definition))
        case .create(let definition, let build): try .create(pool: completed(definition), build: build)
        default: change
        }
    }

    /// A definition without a UUID gets the one of the pool that it defines anew, or a new one.
    private func completed(_ definition: PoolDefinition) throws(StorageError) -> PoolDefinition {
        var definition = try definition.normalized()
        if definition.uuid == nil {
            definition.uuid = store.record(named: definition.name)?.current?.uuid ?? .random()
        }
        // What text a document cannot hold is told here, and not when the definition is read again.
        guard try PoolDefinition(xml: definition.xml()) == definition else {
            throw StorageError(
                .invalidArgument,
                "pool '\(definition.name)' has text that no document can hold, such as control characters"
            )
        }
        return definition
    }

    /// What a complete change would do now.
    ///
    /// - Parameter isUnderLock: Whether others wait for what this does: then no pool's storage is touched but the one's that
    ///   changes.
    func outline(_ change: Change, isUnderLock: Bool = false) throws(StorageError) -> PlanOutline {
        switch change {
        case .define(let definition): try outlineDefinition(definition, isUnderLock)
        case .undefine(let pool): try outlineUndefinition(pool)
        case .create(let definition, let build): try outlineCreation(definition, build, isUnderLock)
        case .start(let pool, let build): try outlineStart(record(named: pool).requireInactive(), build)
        case .stop(let pool): try outlineStop(pool)
        case .build(let pool, let mode):
            try building(record(named: pool).requireInactive()).outlineBuild(mode)
        case .refresh(let pool): try backends.backend(for: record(named: pool).requireRunning()).outlineRefresh()
        case .delete(let pool): try deleting(record(named: pool).requireInactive()).outlineDeletion()
        case .autostart(let pool, let isOn): try outlineAutostart(pool, isOn)
        case .createVolume(let pool, let definition):
            try creating(record(named: pool).requireRunning()).outlineCreation(of: definition)
        case .cloneVolume(let pool, let definition, let source):
            try withContent(of: source) { content throws(StorageError) in
                try cloning(record(named: pool).requireRunning()).outlineClone(of: content, as: definition)
            }
        case .declareVolume(let pool, let name, let format):
            try declaring(record(named: pool).requireRunning()).outlineDeclaration(of: name, format: format)
        case .deleteVolume(let pool, let name):
            try deletingVolumes(record(named: pool).requireRunning()).outlineDeletion(ofVolume: name)
        case .resizeVolume(let pool, let name, let size):
            try resizing(record(named: pool).requireRunning()).outlineResize(of: name, to: size)
        case .uploadVolume(let pool, let name, let options):
            try uploading(record(named: pool).requireRunning()).outlineUpload(to: name, options)
        case .wipeVolume(let pool, let name, let algorithm, let isForced):
            try wiping(record(named: pool).requireRunning()).outlineWipe(of: name, algorithm, isForced: isForced)
        }
    }

    private func outlineDefinition(
        _ definition: PoolDefinition,
        _ isUnderLock: Bool
    ) throws(StorageError) -> PlanOutline {
        try checkUnique(definition, comparingDirectories: !isUnderLock)
        let record = store.record(named: definition.name)
        let path = store.definitionPath(definition.name)
        return PlanOutline(
            steps: [
                .init(
                    record?.isPersistent == true ? "replace definition" : "write definition",
                    path,
                    detail: record?.running != nil ? "for the next start of the running pool" : nil
                )
            ],
            assumptions: [.state(path: path, definition: record?.defined)]
        )
    }

    private func outlineUndefinition(_ pool: String) throws(StorageError) -> PlanOutline {
        let record = try record(named: pool)
        try record.requirePersistent()
        try record.requireNoState()
        let path = store.definitionPath(pool)
        var steps: [PlanOutline.Step] = [.init("remove definition", path)]
        if record.isAutostarted { steps.insert(.init("remove mark", store.autostartPath(pool)), at: 0) }
        return PlanOutline(steps: steps, assumptions: [.state(path: path, definition: record.defined)])
    }

    private func outlineCreation(
        _ definition: PoolDefinition,
        _ build: BuildMode?,
        _ isUnderLock: Bool
    ) throws(StorageError) -> PlanOutline {
        if let record = store.record(named: definition.name) {
            throw StorageError(
                .poolExists,
                "there is a pool '\(definition.name)' already, \(record.stateEntry == .absent ? "defined" : "running")",
                hint: record.stateEntry == .absent ? "start it instead" : "stop it first"
            )
        }
        try checkUnique(definition, comparingDirectories: !isUnderLock)
        return try outlineStart(definition, build)
    }

    private func outlineStart(_ definition: PoolDefinition, _ build: BuildMode?) throws(StorageError) -> PlanOutline {
        let path = store.statePath(definition.name)
        var outline = PlanOutline(
            steps: [.init("write state", path)],
            assumptions: [.state(path: path, definition: nil)]
        )
        let backend = try backends.backend(for: definition)
        let buildOutline = try build.map { mode throws(StorageError) in try building(definition).outlineBuild(mode) }
        // What is yet to be built cannot be looked at.
        let first = if let buildOutline { buildOutline } else { try backend.outlineStart() }
        outline.steps = first.steps + outline.steps
        outline.assumptions += first.assumptions
        return outline
    }

    private func outlineStop(_ pool: String) throws(StorageError) -> PlanOutline {
        let record = try record(named: pool)
        try record.requireState()
        let path = store.statePath(pool)
        var steps: [PlanOutline.Step] = [.init("remove state", path)]
        if !record.isPersistent { steps.append(.init("forget transient pool", pool)) }
        return PlanOutline(steps: steps, assumptions: [.state(path: path, definition: record.running)])
    }

    private func outlineAutostart(_ pool: String, _ isOn: Bool) throws(StorageError) -> PlanOutline {
        let record = try record(named: pool)
        try record.requirePersistent()
        let step = PlanOutline.Step(isOn ? "make mark" : "remove mark", store.autostartPath(pool))
        return PlanOutline(
            steps: record.isAutostarted == isOn ? [] : [step],
            assumptions: [.state(path: store.definitionPath(pool), definition: record.defined)]
        )
    }
}

/// What a pool can do, or an error that says that it cannot.
extension StorageManager {
    func building(_ definition: PoolDefinition) throws(StorageError) -> any PoolBuilding {
        try capable(definition, "be built") { $0 as? any PoolBuilding }
    }

    func deleting(_ definition: PoolDefinition) throws(StorageError) -> any PoolDeleting {
        try capable(definition, "be deleted") { $0 as? any PoolDeleting }
    }

    func creating(_ definition: PoolDefinition) throws(StorageError) -> any VolumeCreating {
        try capable(definition, "make volumes") { $0 as? any VolumeCreating }
    }

    func cloning(_ definition: PoolDefinition) throws(StorageError) -> any VolumeCloning {
        try capable(definition, "copy volumes") { $0 as? any VolumeCloning }
    }

    func reading(_ definition: PoolDefinition) throws(StorageError) -> any VolumeReading {
        try capable(definition, "read volumes as a guest does") { $0 as? any VolumeReading }
    }

    func declaring(_ definition: PoolDefinition) throws(StorageError) -> any VolumeDeclaring {
        try capable(definition, "remember the formats of volumes") { $0 as? any VolumeDeclaring }
    }

    func deletingVolumes(_ definition: PoolDefinition) throws(StorageError) -> any VolumeDeleting {
        try capable(definition, "delete volumes") { $0 as? any VolumeDeleting }
    }

    func resizing(_ definition: PoolDefinition) throws(StorageError) -> any VolumeResizing {
        try capable(definition, "resize volumes") { $0 as? any VolumeResizing }
    }

    func uploading(_ definition: PoolDefinition) throws(StorageError) -> any VolumeUploading {
        try capable(definition, "upload to volumes") { $0 as? any VolumeUploading }
    }

    func downloading(_ definition: PoolDefinition) throws(StorageError) -> any VolumeDownloading {
        try capable(definition, "download volumes") { $0 as? any VolumeDownloading }
    }

    func wiping(_ definition: PoolDefinition) throws(StorageError) -> any VolumeWiping {
        try capable(definition, "wipe volumes") { $0 as? any VolumeWiping }
    }

    private func capable<Capability>(
        _ definition: PoolDefinition,
        _ ability: String,
        _ cast: (any PoolBackend) -> Capability?
    ) throws(StorageError) -> Capability {
        guard let backend = try cast(backends.backend(for: definition)) else {
            throw StorageError(
                .notSupported,
                "pool '\(definition.name)' cannot \(ability): pools of type '\(definition.kind)' have no such operation"
            )
        }
        return backend
    }
}
