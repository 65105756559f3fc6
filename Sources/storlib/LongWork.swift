import ArgumentParser
import StorageKit
import Synchronization

/// Long work of a command: it shows its progress, and a signal stops it as the library stops it, so that nothing is left half
/// made.
struct LongWork {
    /// What is worked on, before the bar.
    let title: String
    let options: Options
    /// Where the progress goes as JSON: not where the data goes.
    var progressStream = Terminal.Stream.output

    /// Does the work; it blocks.
    func run<Result>(_ body: (ProgressMeter, Cancellation) throws -> Result) throws -> Result {
        let cancellation = Cancellation()
        let received = Received()
        try EndingSignals.handle { signal in
            received.signal.store(signal, ordering: .relaxed)
            cancellation.cancel()
        }
        let display = options.showsBar ? ProgressDisplay(title: title) : nil
        do {
            defer { display?.clear() }
            return try body(meter(display), cancellation)
        } catch let error as StorageError where error.code == .cancelled {
            Report.error(error.description)
            EndingSignals.end(by: received.signal.load(ordering: .relaxed))
            throw ExitCode.failure
        }
    }

    private func meter(_ display: ProgressDisplay?) -> ProgressMeter {
        if options.json {
            let stream = progressStream
            return ProgressMeter { try? Report.jsonLine($0, to: stream) }
        }
        return display.map { display in ProgressMeter { display.show($0) } } ?? ProgressMeter()
    }

    private final class Received: Sendable {
        let signal = Atomic<Int32>(0)
    }
}

extension Options {
    /// A bar is for people: on a terminal, and where they want to hear what is done.
    fileprivate var showsBar: Bool { !json && !CommandWords.standard.isQuiet && Terminal.isTerminal(.error) }

    /// Makes a change that takes long, or prints what it would do, and prints what came of it.
    ///
    /// - Parameters:
    ///   - source: Where the bytes of an upload come from.
    ///   - done: The sentence for people; nil for none.
    func makeLong(
        _ change: Change,
        ofVolume name: String,
        from source: UploadSource? = nil,
        _ dryRun: DryRun,
        _ manager: StorageManager,
        done: String? = nil
    ) throws {
        let plan = try manager.plan(change)
        guard !dryRun.dryRun else { return try preview(plan) }
        let volume = try LongWork(title: name, options: self)
            .run { progress, cancellation in
                try manager.apply(plan, from: source, progress: progress, cancellation: cancellation)
            }
        guard json else {
            if let done { Report.done(done) }
            return
        }
        try Report.jsonLine(volume ?? manager.pool(named: change.pool).volume(named: name))
    }
}
