/// The cyclic redundancy check of Castagnoli's polynomial (RFC 3720, 12.1 and appendix B.4).
enum CRC32C {
    /// Eight tables, so that eight bytes are taken at once.
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for index in 0..<256 {
            var value = UInt32(index)
            for _ in 0..<8 { value = value & 1 == 0 ? value >> 1 : value >> 1 ^ 0x82F6_3B78 }
            tables[index] = value
        }
        for index in 256..<8 * 256 {
            let value = tables[index - 256]
            tables[index] = value >> 8 ^ tables[Int(value & 0xFF)]
        }
        return tables
    }()

    static func checksum(_ bytes: [UInt8]) -> UInt32 {
        let tables = tables.span
        let bytes = bytes.span
        var value: UInt32 = .max
        var index = 0
        while index + 8 <= bytes.count {
            value ^=
                UInt32(bytes[index]) | UInt32(bytes[index + 1]) << 8 | UInt32(bytes[index + 2]) << 16
                | UInt32(bytes[index + 3]) << 24
            let low =
                tables[1792 + Int(value & 0xFF)] ^ tables[1536 + Int(value >> 8 & 0xFF)]
                ^ tables[1280 + Int(value >> 16 & 0xFF)] ^ tables[1024 + Int(value >> 24)]
            let high =
                tables[768 + Int(bytes[index + 4])] ^ tables[512 + Int(bytes[index + 5])]
                ^ tables[256 + Int(bytes[index + 6])] ^ tables[Int(bytes[index + 7])]
            value = low ^ high
            index += 8
        }
        while index < bytes.count {
            value = value >> 8 ^ tables[Int((value ^ UInt32(bytes[index])) & 0xFF)]
            index += 1
        }
        return ~value
    }
}
