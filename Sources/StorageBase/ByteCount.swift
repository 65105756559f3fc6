/// A size or an offset in bytes.
///
/// At most ``maximum``: a file offset is signed, so no file is larger (`off_t`, POSIX `<sys/types.h>`).
public struct ByteCount: Hashable, Sendable {
    /// The number of bytes.
    public let bytes: UInt64

    /// Makes a size of a number of bytes.
    public init(_ bytes: UInt64) {
        self.bytes = bytes
    }

    /// No bytes.
    public static let zero = ByteCount(0)

    /// The largest size of a file: 8 EiB less one byte.
    public static let maximum = ByteCount(UInt64(Int64.max))

    /// A size in KiB (1,024 bytes); traps where it exceeds 64 bits.
    public static func kibibytes(_ count: UInt64) -> ByteCount { ByteCount(count * 1024) }

    /// A size in MiB (1,024 KiB); traps where it exceeds 64 bits.
    public static func mebibytes(_ count: UInt64) -> ByteCount { ByteCount(count * (1 << 20)) }

    /// A size in GiB (1,024 MiB); traps where it exceeds 64 bits.
    public static func gibibytes(_ count: UInt64) -> ByteCount { ByteCount(count * (1 << 30)) }

    /// The sum, or nil where it exceeds 64 bits.
    public func adding(_ other: ByteCount) -> ByteCount? {
        let (sum, overflow) = bytes.addingReportingOverflow(other.bytes)
        return overflow ? nil : ByteCount(sum)
    }

    /// The difference, or zero where `other` is the larger.
    public func subtractingClamped(_ other: ByteCount) -> ByteCount {
        ByteCount(bytes > other.bytes ? bytes - other.bytes : 0)
    }
}

extension ByteCount: Comparable {
    /// Whether the left size is the smaller.
    public static func < (left: ByteCount, right: ByteCount) -> Bool { left.bytes < right.bytes }
}

extension ByteCount: Codable {
    /// Reads a number of bytes.
    public init(from decoder: any Decoder) throws {
        bytes = try decoder.singleValueContainer().decode(UInt64.self)
    }

    /// Writes the number of bytes.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(bytes)
    }
}

extension ByteCount: CustomStringConvertible {
    /// The size in the largest unit that leaves at least 1, with two decimals: `1.50 TiB`.
    public var description: String {
        var unit = 0
        var scaled = bytes
        while scaled >= 1024, unit < SizeUnit.binaryNames.count - 1 {
            scaled >>= 10
            unit += 1
        }
        guard unit > 0 else { return "\(bytes).00 B" }
        let divisor = UInt64(1) << (10 * UInt64(unit))
        // Rounded as printf's %.2f rounds the exact quotient; 128 bits hold the product.
        let (whole, rest) = bytes.quotientAndRemainder(dividingBy: divisor)
        let hundredths = (UInt128(rest) * 200 + UInt128(divisor)) / (2 * UInt128(divisor))
        let (carry, decimals) = hundredths.quotientAndRemainder(dividingBy: 100)
        let padding = decimals < 10 ? "0" : ""
        return "\(whole + UInt64(carry)).\(padding)\(decimals) \(SizeUnit.binaryNames[unit])"
    }
}
