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
        Report.output(text(width: Terminal.width, colors: Terminal.hasColors(.output)))
    }

    func text(width: Int?, colors: Bool) -> String {
        var widths = header.indices.map { column in ([header] + rows).map { $0[column].count }.max() ?? 0 }
        if let width {
            let total = widths.reduce(0, +) + 3 * (widths.count - 1) + 1
            if total > width {
                widths[flexibleColumn] = max(widths[flexibleColumn] - (total - width), 8)
            }
        }
        let ruleWidth = widths.reduce(0, +) + 3 * widths.count
        let head = Self.line(header, widths)
        var lines = [colors ? "\u{1B}[1m\(head)\u{1B}[0m" : head, String(repeating: "-", count: ruleWidth)]
        lines += rows.map { Self.line($0, widths) }
        return lines.joined(separator: "\n") + "\n\n"
    }

    private static func line(_ cells: [String], _ widths: [Int]) -> String {
        var line = ""
        for (cell, width) in zip(cells, widths) {
            // The end of a path tells more than its beginning.
            let shown = cell.count > width ? "…" + cell.suffix(width - 1) : cell
            line += (line.isEmpty ? " " : "   ") + shown + String(repeating: " ", count: max(0, width - shown.count))
        }
        while line.last == " " { line.removeLast() }
        return line
    }
}
