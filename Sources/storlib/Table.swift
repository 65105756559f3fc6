import StorageKit

/// A table as virsh prints it, which fits the terminal.
struct Table {
    private let header: [String]
    private var rows: [[String]] = []
    /// The column that gives way where the terminal is too narrow.
    private let flexibleColumn: Int

    init(_ header: [String], flexibleColumn: Int) {
        self.header = header
        self.flexibleColumn = flexibleColumn
    }

    mutating func append(_ row: [String]) {
        rows.append(row)
    }

    func print() {
        Report.output(text(width: Terminal.width(.output), colors: Terminal.hasColors(.output)))
    }

    func text(width: Int?, colors: Bool) -> String {
        var widths = header.indices.map { column in ([header] + rows).map { $0[column].count }.max() ?? 0 }
        if let width {
            // First the column that gives way, then the widest, until all fit or none can.
            var excess = Self.totalWidth(widths) - width
            let flexible = max(widths[flexibleColumn] - max(excess, 0), min(widths[flexibleColumn], Self.narrowest))
            widths[flexibleColumn] = flexible
            excess = Self.totalWidth(widths) - width
            while excess > 0, let widest = widths.indices.max(by: { widths[$0] < widths[$1] }),
                widths[widest] > Self.narrowest
            {
                widths[widest] -= 1
                excess -= 1
            }
        }
        let ruleWidth = min(Self.totalWidth(widths) + 2, width ?? .max)
        let head = Self.line(zip(header, widths).map { Self.shortened($0, to: $1) }, widths)
        var lines = [colors ? "\u{1B}[1m\(head)\u{1B}[0m" : head, String(repeating: "-", count: ruleWidth)]
        lines += rows.map { Self.line($0, widths) }
        return lines.joined(separator: "\n") + "\n\n"
    }

    private static func shortened(_ title: String, to width: Int) -> String {
        title.count > width ? title.prefix(max(width - 1, 0)) + "…" : title
    }

    /// A column narrower than this tells nothing.
    private static let narrowest = 8

    private static func totalWidth(_ widths: [Int]) -> Int {
        widths.reduce(0, +) + 3 * (widths.count - 1) + 1
    }

    private static func line(_ cells: [String], _ widths: [Int]) -> String {
        var line = ""
        for (cell, width) in zip(cells, widths) {
            // The end of a path tells more than its beginning.
            let shown = cell.count > width ? "…" + cell.suffix(max(width - 1, 0)) : cell
            line += (line.isEmpty ? " " : "   ") + shown + String(repeating: " ", count: max(0, width - shown.count))
        }
        while line.last == " " { line.removeLast() }
        return line
    }
}
