import Foundation

/// The times of several runs of the same work, in seconds.
struct Sample: CustomStringConvertible {
    let median: Double
    let minimum: Double
    let maximum: Double

    /// Runs the work once to warm up, and then several times.
    ///
    /// - Parameter prepare: What comes before each run, and is not measured.
    init(runs: Int, prepare: () throws -> Void = {}, _ work: () throws -> Void) throws {
        try prepare()
        try work()
        var times: [Double] = []
        for _ in 0..<runs {
            try prepare()
            let start = ContinuousClock.now
            try work()
            let time = ContinuousClock.now - start
            times.append(Double(time.components.seconds) + Double(time.components.attoseconds) * 1e-18)
        }
        times.sort()
        median = times[times.count / 2]
        minimum = times[0]
        maximum = times[times.count - 1]
    }

    var description: String {
        "\(Self.text(median)) [\(Self.text(minimum)), \(Self.text(maximum))]"
    }

    static func text(_ seconds: Double) -> String {
        switch seconds {
        case 1...: String(format: "%.2f s", seconds)
        case 1e-3...: String(format: "%.1f ms", seconds * 1e3)
        default: String(format: "%.1f µs", seconds * 1e6)
        }
    }
}
