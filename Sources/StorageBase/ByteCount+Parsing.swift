extension ByteCount {
    /// Reads a size as people type it: `4096`, `10G`, `512MiB`, `1.5 TiB`, `100MB`.
    ///
    /// Units by 1,024 are `K` … `E` and `KiB` … `EiB`, units by 1,000 are `KB` … `EB`; without a unit it is bytes.
    /// A fraction is rounded down to whole bytes.
    ///
    /// - Throws: `StorageError` with code ``StorageError/Code/invalidArgument``.
    public init(parsing text: String) throws(StorageError) {
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let unitName = text.dropFirst(digits.count).drop { $0 == " " }
        if text.hasPrefix("-") {
            throw StorageError(.invalidArgument, "a size cannot be negative, found '\(text)'")
        }
        guard !digits.isEmpty, let unit = SizeUnit(name: String(unitName)) else {
            throw StorageError(
                .invalidArgument,
                "'\(text)' is not a size",
                hint: "a size is a number and a unit, such as 10G, 512MiB or 1.5TiB"
            )
        }
        try self.init(digits: String(digits), unit: unit, text: text)
    }

    /// Reads the content of a document's element and its `unit` attribute: a whole number of units.
    ///
    /// - Returns: Nil where `text` is no whole number or `unit` is no unit.
    /// - Throws: `StorageError` with code ``StorageError/Code/invalidArgument`` where the size exceeds ``maximum``.
    package static func parse(wholeNumber text: String, unit: SizeUnit) throws(StorageError) -> ByteCount? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        guard let count = UInt64(text), case (let bytes, false) = count.multipliedReportingOverflow(by: unit.bytes),
            bytes <= ByteCount.maximum.bytes
        else { throw tooLarge(text) }
        return ByteCount(bytes)
    }

    private init(digits: String, unit: SizeUnit, text: String) throws(StorageError) {
        let parts = digits.split(separator: ".", omittingEmptySubsequences: false)
        let fraction = parts.count == 2 ? String(parts[1]) : ""
        guard parts.count <= 2, !parts[0].isEmpty, parts.count == 1 || !fraction.isEmpty else {
            throw StorageError(.invalidArgument, "'\(text)' is not a size")
        }
        // 18 decimals resolve a byte of an EiB; more would overflow the product below.
        guard fraction.count <= 18 else {
            throw StorageError(.invalidArgument, "'\(text)' has more than 18 decimals")
        }
        guard let whole = UInt64(parts[0]) else { throw Self.tooLarge(text) }
        let scale = fraction.reduce(UInt128(1)) { product, _ in product * 10 }
        let fractionBytes = UInt128(UInt64(fraction) ?? 0) * UInt128(unit.bytes) / scale
        let total = UInt128(whole) * UInt128(unit.bytes) + fractionBytes
        guard total <= UInt128(ByteCount.maximum.bytes) else { throw Self.tooLarge(text) }
        self.init(UInt64(total))
    }

    private static func tooLarge(_ text: String) -> StorageError {
        StorageError(
            .invalidArgument,
            "'\(text)' is more than the largest size of a file, \(ByteCount.maximum.bytes) bytes (8 EiB less one)"
        )
    }
}
