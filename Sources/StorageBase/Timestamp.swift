internal import CLinux

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

extension Timestamp {
    /// The moment of the call.
    ///
    /// The corresponding C function is `clock_gettime`.
    package static var now: Timestamp {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(seconds: Int64(time.tv_sec), nanoseconds: UInt32(time.tv_nsec))
    }

    /// The moment for people, in Coordinated Universal Time: `2026-11-23 01:36:03.123+0000`, as virsh has it.
    ///
    /// The corresponding C function is `gmtime_r`.
    package var utcDescription: String {
        var time = Int(seconds)
        var parts = unsafe tm()
        unsafe gmtime_r(&time, &parts)
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let milliseconds = nanoseconds / 1_000_000
        let padding = milliseconds < 10 ? "00" : milliseconds < 100 ? "0" : ""
        return unsafe "\(Int(parts.tm_year) + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday)) "
            + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)).\(padding)\(milliseconds)+0000"
    }
}
