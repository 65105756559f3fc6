/// Integers in bytes that come from a disk: the one place that loads them.
extension Span where Element == UInt8 {
    /// The integer at an offset, its most significant byte first.
    ///
    /// - Throws: `StorageError` with code `damagedImage` where the bytes end before it does.
    @inlinable package func bigEndian<Integer: FixedWidthInteger & BitwiseCopyable>(
        _ type: Integer.Type,
        at offset: Int
    ) throws(StorageError) -> Integer {
        try Integer(bigEndian: load(type, at: offset))
    }

    /// The integer at an offset, its least significant byte first.
    ///
    /// - Throws: `StorageError` with code `damagedImage` where the bytes end before it does.
    @inlinable package func littleEndian<Integer: FixedWidthInteger & BitwiseCopyable>(
        _ type: Integer.Type,
        at offset: Int
    ) throws(StorageError) -> Integer {
        try Integer(littleEndian: load(type, at: offset))
    }

    @inlinable func load<Integer: FixedWidthInteger & BitwiseCopyable>(
        _ type: Integer.Type,
        at offset: Int
    ) throws(StorageError) -> Integer {
        guard offset >= 0, offset <= count - MemoryLayout<Integer>.size else { throw endOfBytes(at: offset) }
        // SAFETY: the guard keeps the load within the bytes, and an integer has no invalid representation.
        return unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: type)
    }

    @usableFromInline func endOfBytes(at offset: Int) -> StorageError {
        StorageError(.damagedImage, "a structure of \(count) bytes ends before its field at byte \(offset)")
    }
}

extension [UInt8] {
    /// The integer at an offset, its most significant byte first.
    ///
    /// - Throws: As for a span.
    @inlinable package func bigEndian<Integer: FixedWidthInteger & BitwiseCopyable>(
        _ type: Integer.Type,
        at offset: Int
    ) throws(StorageError) -> Integer {
        try span.bigEndian(type, at: offset)
    }

    /// The integer at an offset, its least significant byte first.
    ///
    /// - Throws: As for a span.
    @inlinable package func littleEndian<Integer: FixedWidthInteger & BitwiseCopyable>(
        _ type: Integer.Type,
        at offset: Int
    ) throws(StorageError) -> Integer {
        try span.littleEndian(type, at: offset)
    }

    /// Puts an integer at an offset, its most significant byte first; the caller has made room for it.
    package mutating func store<Integer: FixedWidthInteger & BitwiseCopyable>(bigEndian value: Integer, at offset: Int)
    {
        for index in 0..<MemoryLayout<Integer>.size {
            self[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * (MemoryLayout<Integer>.size - 1 - index)))
        }
    }

    /// Puts an integer at an offset, its least significant byte first; the caller has made room for it.
    package mutating func store<Integer: FixedWidthInteger & BitwiseCopyable>(
        littleEndian value: Integer,
        at offset: Int
    ) {
        for index in 0..<MemoryLayout<Integer>.size {
            self[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * index))
        }
    }

    /// Puts bytes at an offset; the caller has made room for them.
    package mutating func store(_ bytes: some Collection<UInt8>, at offset: Int) {
        replaceSubrange(offset..<offset + bytes.count, with: bytes)
    }
}
