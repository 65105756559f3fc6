import StorageKit

/// The progress of long work as people see it: one line that is written again and again on a terminal.
struct ProgressDisplay: Sendable {
    let title: String

    /// Work that is done sooner shows nothing.
    private static let patience = Duration.milliseconds(300)

    func show(_ progress: TransferProgress) {
        guard progress.elapsed >= Self.patience else { return }
        write("\r\(line(progress, width: Terminal.width(.error) ?? 80))\u{1B}[K")
    }

    func clear() {
        write("\r\u{1B}[K")
    }

    private func write(_ text: String) {
        // Where the standard error is closed there is nobody to show anything.
        try? Terminal.write(text, to: .error)
    }

    /// `disk.img  42 %  [########            ]  4.20 GiB of 10.00 GiB  512.00 MiB/s  0:11 left`.
    func line(_ progress: TransferProgress, width: Int) -> String {
        var amount = progress.done.description
        if let total = progress.total { amount += " of \(total)" }
        let rate = "\(progress.rate)/s"
        let time = progress.remaining.map { "\(Self.text($0)) left" } ?? Self.text(progress.elapsed)
        let tail = "\(amount)  \(rate)  \(time)"
        let name = title.printable
        guard let total = progress.total else { return String("\(name)  \(tail)".prefix(width - 1)) }
        let share = total > .zero ? min(1, Double(progress.done.bytes) / Double(total.bytes)) : 1
        let percent = "\(Int(share * 100)) %"
        // Two between each two parts, two brackets, and the last column free so that the line does not wrap.
        let barWidth = min(40, width - name.count - percent.count - tail.count - 9)
        guard barWidth >= 4 else { return String("\(name)  \(percent)  \(tail)".prefix(width - 1)) }
        let filled = Int(share * Double(barWidth))
        let bar = String(repeating: "#", count: filled) + String(repeating: " ", count: barWidth - filled)
        return "\(name)  \(percent)  [\(bar)]  \(tail)"
    }

    /// Minutes and seconds, and hours where there are any: `1:02:03`.
    private static func text(_ duration: Duration) -> String {
        // More than a century is no forecast.
        let seconds = min(duration.components.seconds, 3_153_600_000)
        func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let (minutes, hours) = (seconds / 60 % 60, seconds / 3600)
        return hours > 0 ? "\(hours):\(two(minutes)):\(two(seconds % 60))" : "\(minutes):\(two(seconds % 60))"
    }
}
