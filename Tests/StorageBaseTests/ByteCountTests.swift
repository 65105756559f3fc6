import StorageBase
import Testing

struct ByteCountTests {
    @Test(
        arguments: [
            ("0", 0), ("4096", 4096), ("1b", 1), ("3 bytes", 3), ("10G", 10 << 30), ("10 GiB", 10 << 30),
            ("512MiB", 512 << 20), ("1.5TiB", 3 << 39), ("1.5k", 1536), ("100MB", 100_000_000), ("2kb", 2000),
            ("7EiB", 7 << 60), ("8eb", 8_000_000_000_000_000_000), ("0.1K", 102),
            ("9223372036854775807", 9_223_372_036_854_775_807),
        ] as [(String, UInt64)]
    )
    func readsWhatPeopleType(text: String, bytes: UInt64) throws {
        #expect(try ByteCount(parsing: text).bytes == bytes)
    }

    @Test(arguments: [
        "", "-1", "-1G", "ten", "10 gigs", "G", "1.2.3G", ".5G", "5.G", "1 0", "10X", "0x10", "16EiB", "8EiB",
        "9223372036854775808", "99999999999999999999999", "1.0000000000000000001G", "+5", "١G",
    ])
    func refusesOtherText(text: String) {
        let error = #expect(throws: StorageError.self) { try ByteCount(parsing: text) }
        #expect(error?.code == .invalidArgument)
    }

    @Test(
        arguments: [
            (0, "0.00 B"), (1023, "1023.00 B"), (1024, "1.00 KiB"), (1536, "1.50 KiB"), (10 << 30, "10.00 GiB"),
            ((1 << 20) - 1, "1024.00 KiB"), (UInt64.max, "16.00 EiB"), (1 << 60, "1.00 EiB"), (1_000_000, "976.56 KiB"),
            (1_049_088, "1.00 MiB"),
        ] as [(UInt64, String)]
    )
    func printsAsVirshDoes(bytes: UInt64, text: String) {
        #expect(ByteCount(bytes).description == text)
    }

    @Test func sumsAreChecked() {
        #expect(ByteCount(UInt64.max).adding(ByteCount(1)) == nil)
        #expect(ByteCount(1).subtractingClamped(ByteCount(2)) == .zero)
    }
}
