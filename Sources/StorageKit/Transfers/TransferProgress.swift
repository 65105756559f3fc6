/// How far long work has come.
public struct TransferProgress: Hashable, Sendable {
    /// What is done.
    public var done: ByteCount
    /// What there is to do; nil where nobody knows, as of a pipe.
    public var total: ByteCount?
    /// The bytes of a second, over the last few seconds; over all of the time where the work has ended.
    public var rate: ByteCount
    /// The time since the work began.
    public var elapsed: Duration

    /// Makes a progress of its parts; without them, that of work that has not begun.
    public init(
        done: ByteCount = .zero,
        total: ByteCount? = nil,
        rate: ByteCount = .zero,
        elapsed: Duration = .zero
    ) {
        self.done = done
        self.total = total
        self.rate = rate
        self.elapsed = elapsed
    }

    /// The time that the rest will take at this rate; nil where nobody knows.
    public var remaining: Duration? {
        guard let total, rate > .zero else { return nil }
        return .seconds(Double(total.subtractingClamped(done).bytes) / Double(rate.bytes))
    }
}

extension TransferProgress: Codable {
    private enum CodingKeys: String, CodingKey {
        case done, total, rate, elapsed
    }

    /// Reads what ``encode(to:)`` writes.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        done = try container.decode(ByteCount.self, forKey: .done)
        total = try container.decodeIfPresent(ByteCount.self, forKey: .total)
        rate = try container.decode(ByteCount.self, forKey: .rate)
        let seconds = try container.decode(Double.self, forKey: .elapsed)
        guard seconds >= 0, seconds < 1e15 else {
            throw DecodingError.dataCorruptedError(
                forKey: .elapsed,
                in: container,
                debugDescription: "\(seconds) is no number of seconds"
            )
        }
        elapsed = .seconds(seconds)
    }

    /// Writes sizes as numbers of bytes, and the time as a number of seconds.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(done, forKey: .done)
        try container.encodeIfPresent(total, forKey: .total)
        try container.encode(rate, forKey: .rate)
        try container.encode(elapsed.inMilliseconds / 1000, forKey: .elapsed)
    }
}

extension Duration {
    /// Whole milliseconds: more places would pretend to be a measurement.
    fileprivate var inMilliseconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) * 1000 + Double(attoseconds / 1_000_000_000_000_000)
    }

    var inSeconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) * 1e-18
    }
}
