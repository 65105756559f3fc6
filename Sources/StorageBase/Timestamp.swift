/// A moment in time, in seconds and nanoseconds since 1970-01-01 00:00 UTC.
public struct Timestamp: Hashable, Sendable {
    /// Whole seconds; negative before 1970.
    public let seconds: Int64
    /// Nanoseconds after `seconds`, below 1,000,000,000.
    public let nanoseconds: UInt32

    /// Makes a moment of its two parts.
    public init(seconds: Int64, nanoseconds: UInt32) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }
}

extension Timestamp: CustomStringConvertible {
    /// Seconds, and nine decimals where there are nanoseconds: `1341933637.273190990`.
    public var description: String {
        guard nanoseconds != 0 else { return "\(seconds)" }
        let digits = String(nanoseconds)
        return "\(seconds)." + String(repeating: "0", count: max(0, 9 - digits.count)) + digits
    }
}

extension Timestamp: Codable {
    /// Reads the text that ``description`` gives.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count <= 2, let seconds = Int64(parts[0]),
            let nanoseconds = parts.count == 2 && parts[1].count == 9 ? UInt32(parts[1]) : parts.count == 1 ? 0 : nil
        else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "'\(text)' is not a timestamp")
        }
        self.init(seconds: seconds, nanoseconds: nanoseconds)
    }

    /// Writes the text that ``description`` gives.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
