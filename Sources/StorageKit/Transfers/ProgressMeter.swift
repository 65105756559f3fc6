internal import Synchronization

/// What long work tells its progress to.
///
/// Its functions may be called on any thread, often: a handler hears of it about ten times a second.
public final class ProgressMeter: Sendable {
    private struct Sample {
        var moment: Duration
        var done: UInt64
    }

    private static let interval = Duration.milliseconds(100)
    /// The last three seconds, over which the rate is taken.
    private static let sampleLimit = 30

    private let handler: (@Sendable (TransferProgress) -> Void)?
    private let began = ContinuousClock.now
    private let done = Atomic<UInt64>(0)
    /// The largest number stands for none.
    private let total = Atomic<UInt64>(.max)
    private let nextReport: Atomic<Int64> = Atomic(0)
    /// Held while the handler runs, so that it hears of one report after the other.
    private let samples: Mutex<[Sample]> = Mutex([])

    /// Makes a meter that nobody reads.
    public init() {
        handler = nil
    }

    /// Makes a meter that tells its progress about ten times a second, and at the end.
    ///
    /// - Parameter handler: Hears of the progress, on the thread that works; it is to be brief, and must not use the meter.
    public init(_ handler: @escaping @Sendable (TransferProgress) -> Void) {
        self.handler = handler
    }

    /// Says what there is to do; nil where nobody knows.
    public func setTotal(_ total: ByteCount?) {
        self.total.store(total?.bytes ?? .max, ordering: .relaxed)
        reportIfDue()
    }

    /// Says that more is done.
    public func advance(by count: ByteCount) {
        done.wrappingAdd(count.bytes, ordering: .relaxed)
        reportIfDue()
    }

    /// Says that the work has succeeded: what is done is all there was to do.
    public func complete() {
        total.store(done.load(ordering: .relaxed), ordering: .relaxed)
        handler?(final)
    }

    /// The progress of the whole time, at its end.
    var final: TransferProgress {
        progress(since: Sample(moment: .zero, done: 0), at: ContinuousClock.now - began)
    }

    private func reportIfDue() {
        guard let handler else { return }
        let elapsed = ContinuousClock.now - began
        let now = Int64(elapsed / .milliseconds(1))
        let due = nextReport.load(ordering: .relaxed)
        let next = now + Int64(Self.interval / .milliseconds(1))
        guard now >= due, nextReport.compareExchange(expected: due, desired: next, ordering: .relaxed).exchanged else {
            return
        }
        samples.withLock { samples in
            let progress = progress(since: samples.first ?? Sample(moment: .zero, done: 0), at: elapsed)
            if samples.count == Self.sampleLimit { samples.removeFirst() }
            samples.append(Sample(moment: elapsed, done: progress.done.bytes))
            handler(progress)
        }
    }

    private func progress(since sample: Sample, at elapsed: Duration) -> TransferProgress {
        let done = done.load(ordering: .relaxed)
        let total = total.load(ordering: .relaxed)
        let seconds = (elapsed - sample.moment).inSeconds
        let rate = seconds > 0 ? Double(done - min(done, sample.done)) / seconds : 0
        return TransferProgress(
            done: ByteCount(done),
            total: total == .max ? nil : ByteCount(total),
            rate: ByteCount(UInt64(exactly: rate.rounded()) ?? .max),
            elapsed: elapsed
        )
    }
}
