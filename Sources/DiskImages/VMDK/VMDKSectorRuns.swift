/// The sectors of a file that are in use, as runs: neighbours that come one after the other are one.
struct VMDKSectorRuns {
    private struct Run {
        var start: UInt32
        /// The sector behind its last one.
        var end: UInt32
    }

    private var runs: [Run] = []

    /// Adds what is in use; places of tables and grains have 32 bits.
    mutating func add(_ start: UInt64, count: UInt64) {
        guard count > 0, start < UInt64(UInt32.max) else { return }
        let end = UInt32(clamping: start + min(count, UInt64(UInt32.max)))
        if let last = runs.last, UInt64(last.end) == start {
            runs[runs.count - 1].end = end
        } else {
            runs.append(Run(start: UInt32(start), end: end))
        }
    }

    /// The sector behind the last one that is in use.
    var end: UInt64 { runs.reduce(0) { max($0, UInt64($1.end)) } }

    /// Sorts the runs, and tells where one begins before all former ones end; then they are one.
    mutating func findOverlaps(_ body: (UInt64) -> Void) {
        runs.sort { $0.start < $1.start }
        var merged: [Run] = []
        for run in runs {
            guard let last = merged.last, run.start <= last.end else {
                merged.append(run)
                continue
            }
            if run.start < last.end { body(UInt64(run.start)) }
            merged[merged.count - 1].end = max(last.end, run.end)
        }
        runs = merged
    }

    /// Tells what lies between the runs, which are sorted, in a range.
    func forEachGap(in range: Range<UInt64>, _ body: (_ start: UInt64, _ count: UInt64) -> Void) {
        var position = range.lowerBound
        for run in runs {
            if UInt64(run.start) >= range.upperBound { break }
            if UInt64(run.start) > position { body(position, UInt64(run.start) - position) }
            position = max(position, UInt64(run.end))
        }
        if position < range.upperBound { body(position, range.upperBound - position) }
    }
}
