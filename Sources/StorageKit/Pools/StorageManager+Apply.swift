extension StorageManager {
    /// Makes a planned change, where the storage is still what the plan found.
    ///
    /// It blocks.
    ///
    /// - Parameters:
    ///   - plan: The plan, from `plan(_:)`.
    ///   - source: Where the bytes of an upload come from.
    ///   - progress: Hears how far long work has come.
    ///   - cancellation: Stops long work, and undoes it.
    /// - Returns: The volume, for a change that makes one.
    /// - Throws: `StorageError` with code `stalePlan`, `busy` where another
    ///   program holds the pool past the deadline, `cancelled` or another; nothing is changed then.
    @discardableResult
    @available(*, noasync, message: "await apply(_:), and cancel its task")
    public func apply(
        _ plan: Plan,
        from source: UploadSource? = nil,
        progress: ProgressMeter = ProgressMeter(),
        cancellation: Cancellation = Cancellation()
    ) throws(StorageError) -> Volume? {
        guard try completed(plan.change) == plan.change else {
            throw StorageError(
                .invalidArgument,
                "the plan for pool '\(plan.change.pool)' is not one that was made here"
            )
        }
        switch plan.change {
        case .createVolume(let pool, let definition):
            return try withRunningPool(pool, cancellation: cancellation) { _ throws(StorageError) in
                let backend = try creating(record(named: pool).requireRunning())
                return try backend.createVolume(definition, following: plan.outline, cancellation: cancellation)
            }
        case .cloneVolume(let pool, let definition, let source):
            let volume = try withRunningPool(pool, cancellation: cancellation) { _ throws(StorageError) in
                try withContent(of: source, cancellation: cancellation) { content throws(StorageError) in
                    try cloning(record(named: pool).requireRunning())
                        .cloneVolume(
                            content,
                            as: definition,
                            following: plan.outline,
                            progress: progress,
                            cancellation: cancellation
                        )
                }
            }
            progress.complete()
            return volume
        case .declareVolume(let pool, let name, let format):
            try withRunningPool(pool, cancellation: cancellation) { _ throws(StorageError) in
                try declaring(record(named: pool).requireRunning())
                    .declareVolume(name, format: format, following: plan.outline)
            }
        case .deleteVolume(let pool, let name):
            try withRunningPool(pool) { _ throws(StorageError) in
                let backend = try deletingVolumes(record(named: pool).requireRunning())
                try backend.deleteVolume(name, following: plan.outline)
            }
        case .resizeVolume(let pool, let name, let size):
            try withRunningPool(pool, cancellation: cancellation) { _ throws(StorageError) in
                let backend = try resizing(record(named: pool).requireRunning())
                try backend.resizeVolume(name, to: size, following: plan.outline, cancellation: cancellation)
            }
        case .uploadVolume(let pool, let name, let options):
            guard let source else {
                throw StorageError(.invalidArgument, "an upload to volume '\(name)' needs a source")
            }
            try withRunningPool(pool, cancellation: cancellation) { _ throws(StorageError) in
                try uploading(record(named: pool).requireRunning())
                    .uploadVolume(
                        name,
                        from: source,
                        options,
                        following: plan.outline,
                        progress: progress,
                        cancellation: cancellation
                    )
            }
            progress.complete()
        case .wipeVolume(let pool, let name, let algorithm, let isForced):
            try withRunningPool(pool, cancellation: cancellation) { _ throws(StorageError) in
                try wiping(record(named: pool).requireRunning())
                    .wipeVolume(
                        name,
                        algorithm,
                        isForced: isForced,
                        following: plan.outline,
                        progress: progress,
                        cancellation: cancellation
                    )
            }
            progress.complete()
        case .refresh(let pool):
            try withRunningPool(pool) { backend throws(StorageError) in try backend.refresh() }
            store.note(.refreshed, pool)
        case .define(let definition), .create(let definition, _):
            try store.withStoreLock(cancellation: cancellation) { () throws(StorageError) in
                try applyPoolChange(plan, pool: definition.name)
            }
        case .undefine(let pool), .start(let pool, _), .stop(let pool), .build(let pool, _), .delete(let pool),
            .autostart(let pool, _):
            _ = try record(named: pool)
            try applyPoolChange(plan, pool: pool)
        }
        return nil
    }

    /// Makes a change; it is planned and made at once.
    func perform(
        _ change: Change,
        from source: UploadSource? = nil,
        progress: ProgressMeter = ProgressMeter(),
        cancellation: Cancellation = Cancellation()
    ) throws(StorageError) -> Volume? {
        try apply(plan(change), from: source, progress: progress, cancellation: cancellation)
    }

    private func applyPoolChange(_ plan: Plan, pool: String) throws(StorageError) {
        try store.withExclusiveLock(pool) { () throws(StorageError) in
            try plan.outline.checkUnchanged(outline(plan.change, isUnderLock: true), object: "pool '\(pool)'")
            switch plan.change {
            case .define(let definition): try store.writeDefinition(definition)
            case .undefine: try store.removeDefinition(pool)
            case .create(let definition, let build): try start(definition, build)
            case .start(_, let build): try start(record(named: pool).requireInactive(), build)
            case .stop: try stop(record(named: pool))
            case .build(_, let mode):
                let backend = try building(record(named: pool).requireInactive())
                try backend.build(mode, following: plan.outline)
                store.note(.built, pool)
            case .delete:
                let backend = try deleting(record(named: pool).requireInactive())
                try backend.delete(following: plan.outline)
                store.note(.deleted, pool)
            case .autostart(_, let isOn): try store.setAutostart(isOn, pool)
            case .refresh, .createVolume, .cloneVolume, .declareVolume, .deleteVolume, .resizeVolume, .uploadVolume,
                .wipeVolume:
                break
            }
        }
    }

    private func start(_ definition: PoolDefinition, _ build: BuildMode?) throws(StorageError) {
        if let build {
            let backend = try building(definition)
            try backend.build(build, following: backend.outlineBuild(build))
            store.note(.built, definition.name)
        }
        let backend = try backends.backend(for: definition)
        try backend.start()
        do throws(StorageError) {
            try checkDirectoryIsFree(definition)
            try store.writeState(definition)
        } catch {
            try? backend.stop()
            throw error
        }
    }

    private func stop(_ record: PoolRecord) throws(StorageError) {
        // Where the state is damaged nobody knows what runs: it is forgotten, and the storage let be.
        if let definition = record.running { try backends.backend(for: definition).stop() }
        try store.removeState(record.name)
    }

    /// Uses the storage of a running pool, which stays running meanwhile.
    func withRunningPool<Result>(
        _ pool: String,
        cancellation: Cancellation = Cancellation(),
        _ body: (any PoolBackend) throws(StorageError) -> Result
    ) throws(StorageError) -> Result {
        _ = try record(named: pool).requireRunning()
        return try store.withSharedLock(pool, cancellation: cancellation) { () throws(StorageError) in
            try body(backends.backend(for: record(named: pool).requireRunning()))
        }
    }

    /// Opens a volume of a running pool, which stays running meanwhile.
    func withContent<Result>(
        of source: VolumeReference,
        cancellation: Cancellation = Cancellation(),
        _ body: (VolumeContent) throws(StorageError) -> Result
    ) throws(StorageError) -> Result {
        try withRunningPool(source.pool, cancellation: cancellation) { _ throws(StorageError) in
            try body(reading(record(named: source.pool).requireRunning()).content(ofVolume: source.name))
        }
    }
}
