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
        ratioLimit: Double? = nil,
        peer: (name: String, sample: Sample)? = nil
    ) {
        rows.append([
            work,
            ours.description,
            limit.map { Sample.text($0) } ?? ratioLimit.map { "\($0) × peer" } ?? "",
            peer?.name ?? "",
            peer?.sample.description ?? "",
            peer.map { String(format: "%.2f", ours.median / $0.sample.median) } ?? "",
        ])
        if let ratioLimit, let peer, ours.median > ratioLimit * peer.sample.median {
            failures.append("\(work): \(ours), more than \(ratioLimit) times \(peer.name)'s \(peer.sample)")
        }
        if let limit, ours.median > limit { failures.append("\(work): \(ours) of \(Sample.text(limit))") }
    }

    /// Adds a row of bytes, and not of times.
    mutating func add(_ work: String, bytes: Int, limit: Int, peer: (name: String, bytes: Int)?) {
        func text(_ bytes: Int) -> String { String(format: "%.1f MB", Double(bytes) / 1e6) }
        rows.append([
            work, text(bytes), text(limit), peer?.name ?? "", peer.map { text($0.bytes) } ?? "",
            peer.map { String(format: "%.2f", Double(bytes) / Double($0.bytes)) } ?? "",
        ])
        if bytes > limit { failures.append("\(work): \(text(bytes)) of \(text(limit))") }
    }

    func print() {
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        for row in rows {
            let cells = zip(row, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }
            Swift.print(cells.joined(separator: "  "))
        }
    }
}
