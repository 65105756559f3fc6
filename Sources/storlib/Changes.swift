import StorageKit

extension Options {
    /// Prints what a plan would do.
    func preview(_ plan: Plan) throws {
        if json { return try Report.json(plan) }
        Report.line(plan.outline.steps.isEmpty ? "nothing to do" : plan.description)
    }

    /// Makes a change, or prints what it would do, and prints what came of it.
    ///
    /// - Parameters:
    ///   - done: The sentence for people.
    ///   - result: The value for JSON, taken after the change.
    func make(
        _ change: Change,
        _ dryRun: DryRun,
        _ manager: StorageManager,
        done: String
    ) throws {
        let plan = try manager.plan(change)
        guard !dryRun.dryRun else { return try preview(plan) }
        let volume = try manager.apply(plan)
        guard json else { return Report.done(done) }
        switch change {
        case .createVolume: try Report.json(volume)
        case .resizeVolume(let pool, let name, _), .declareVolume(let pool, let name, _):
            try Report.json(manager.pool(named: pool).volume(named: name))
        case .deleteVolume: try Report.json(plan)
        default:
            // An undefined pool, or a transient one that was stopped, is no more.
            if let info = try? manager.pool(named: change.pool).info() {
                try Report.json(info)
            } else {
                try Report.json(plan)
            }
        }
    }
}
