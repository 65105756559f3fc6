import Foundation

/// What the figures were measured on.
enum Machine {
    static var description: String {
        let processor = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8))?
            .split(separator: "\n")
            .first { $0.hasPrefix("model name") }
            .map { $0.split(separator: ":")[1].trimmingCharacters(in: .whitespaces) }
        let kernel = (try? String(contentsOfFile: "/proc/sys/kernel/osrelease", encoding: .utf8))?
            .trimmingCharacters(in: .whitespacesAndNewlines)
        let count = ProcessInfo.processInfo.processorCount
        return "\(count) × \(processor ?? "unknown processor"), Linux \(kernel ?? "")"
    }
}
