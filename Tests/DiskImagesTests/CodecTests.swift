import DiskImages
import Testing

struct CodecTests {
    @Test(arguments: [Codec.deflate, .zlib, .zstd]) func unitsAreExpandedToWhatTheyWere(codec: Codec) throws {
        let unit = (0..<65536).map { UInt8(truncatingIfNeeded: $0 / 100) }
        let compressed = try #require(codec.compress(unit, limit: 65536))
        #expect(compressed.count < 10_000)
        #expect(codec.expand(compressed + [1, 2, 3], to: unit.count) == unit)
        #expect(codec.expand(Array(compressed.dropLast(20)), to: unit.count) == nil)
        #expect(codec.compress(unit, limit: 100) == nil)
        #expect(codec.expand([], to: 512) == nil)
    }
}
