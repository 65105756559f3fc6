import Foundation

/// What was measured, a row each.
struct ResultTable {
    private var rows: [[String]] = [["work", "ours", "limit", "peer", "peer's", "ratio"]]
    private(set) var failures: [String] = []

    /// Adds a row.
    mutating func add(
        _ work: String,
        _ ours: Sample,
        limit: Double? = nil,
        peer: (name: String, sample: Sample)? = nil
    ) {
        rows.append([
            work,
            ours.description,
            limit.map { Sample.text($0) } ?? "",
            peer?.name ?? "",
            peer?.sample.description ?? "",
            peer.map { String(format: "%.2f", ours.median / $0.sample.median) } ?? "",
        ])
        if let limit, ours.median > limit { failures.append("\(work): \(ours) of \(Sample.text(limit))") }
    }

    func print() {
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        for row in rows {
            let cells = zip(row, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }
            Swift.print(cells.joined(separator: "  "))
        }
    }
}
