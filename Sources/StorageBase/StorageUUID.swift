/// A universally unique identifier (RFC 9562) of a pool, a volume or a secret.
public struct StorageUUID: Hashable, Sendable {
    /// The 16 bytes in network order, as two halves.
    private let high: UInt64
    private let low: UInt64

    private init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Makes a random UUID (version 4) from the system's random generator.
    public static func random() -> StorageUUID {
        var generator = SystemRandomNumberGenerator()
        return StorageUUID(
            high: generator.next() & ~0xF000 | 0x4000,
            low: generator.next() & ~(3 << 62) | 1 << 63
        )
    }

    /// Reads 32 hexadecimal digits, with hyphens or spaces between pairs and white space around, as libvirt does
    /// (`virUUIDParse`).
    ///
    /// - Returns: Nil where the text is no UUID.
    public init?(_ text: String) {
        var halves: (high: UInt64, low: UInt64) = (0, 0)
        var count = 0
        var isBehind = false
        for byte in text.utf8 {
            let digit: UInt8
            switch byte {
            case 0x30...0x39: digit = byte - 0x30
            case 0x41...0x46: digit = byte - 0x41 + 10
            case 0x61...0x66: digit = byte - 0x61 + 10
            case 0x09, 0x0A, 0x0D, 0x20:
                // Around the digits, and a space between pairs of them too.
                if count == 32 { isBehind = true }
                guard count == 0 || isBehind || byte == 0x20 && count.isMultiple(of: 2) else { return nil }
                continue
            case 0x2D:
                guard count.isMultiple(of: 2), count < 32 else { return nil }
                continue
            default: return nil
            }
            guard count < 32 else { return nil }
            if count < 16 {
                halves.high = halves.high << 4 | UInt64(digit)
            } else {
                halves.low = halves.low << 4 | UInt64(digit)
            }
            count += 1
        }
        guard count == 32 else { return nil }
        self.init(high: halves.high, low: halves.low)
    }

    /// Makes a UUID of its 16 bytes, in network order; nil where there are not 16.
    package init?(bytes: [UInt8]) {
        guard bytes.count == 16 else { return nil }
        high = bytes[..<8].reduce(0) { $0 << 8 | UInt64($1) }
        low = bytes[8...].reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// The 16 bytes, in network order.
    package var bytes: [UInt8] {
        [high, low].flatMap { half in (0..<8).map { UInt8(truncatingIfNeeded: half >> (56 - 8 * $0)) } }
    }
}

extension StorageUUID: CustomStringConvertible {
    /// The UUID as 36 characters in lower case: `70a7eb15-6c34-ee9c-bf57-69e8e5ff3fb2`.
    public var description: String {
        unsafe String(unsafeUninitializedCapacity: 36) { text in
            var position = 0
            for (index, byte) in bytes.enumerated() {
                if [4, 6, 8, 10].contains(index) {
                    unsafe text[position] = 0x2D
                    position += 1
                }
                for digit in [byte >> 4, byte & 15] {
                    unsafe text[position] = digit < 10 ? 0x30 + digit : 0x61 + digit - 10
                    position += 1
                }
            }
            return position
        }
    }
}

extension StorageUUID: Codable {
    /// Reads a UUID from its text.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let uuid = StorageUUID(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "'\(text)' is not a UUID")
        }
        self = uuid
    }

    /// Writes the UUID as its text.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
