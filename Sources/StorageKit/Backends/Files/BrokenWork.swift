/// Work on a volume's content that was begun, and was not finished where this is found.
struct BrokenWork: Hashable, Sendable {
    enum Kind: String, Sendable {
        case upload
        case wipe
    }

    var kind: Kind
    var start: UInt64
    /// Nil where the work goes as far as its source.
    var end: UInt64?

    init(_ kind: Kind, from start: UInt64, to end: UInt64?) {
        self.kind = kind
        self.start = start
        self.end = end
    }

    /// A kind, a start and perhaps an end; a kind that is not known counts as an upload of everything.
    init(_ text: String) {
        let words = text.split(separator: " ")
        kind = words.first.flatMap { Kind(rawValue: String($0)) } ?? .upload
        start = words.count > 1 ? UInt64(words[1]) ?? 0 : 0
        end = words.count > 2 ? UInt64(words[2]) : nil
    }

    var text: String { "\(kind.rawValue) \(start)" + (end.map { " \($0)" } ?? "") }

    /// Both: where one piece of work begins before another was mended.
    func joined(with other: BrokenWork) -> BrokenWork {
        let end: UInt64? = if let end, let otherEnd = other.end { max(end, otherEnd) } else { nil }
        return BrokenWork(other.kind, from: min(start, other.start), to: end)
    }

    var problem: String {
        switch kind {
        case .upload: "an upload was broken off: the content is partly old and partly new until it is uploaded again"
        case .wipe: "a wipe was broken off: the content is partly gone"
        }
    }
}
