internal import CLinux

extension [UInt8] {
    /// Whether a part is all zeros.
    ///
    /// The corresponding C function is `memcmp`, of the part and itself one byte further on.
    package func isZero(in part: Range<Int>) -> Bool {
        precondition(part.lowerBound >= 0 && part.upperBound <= count)
        // SAFETY: the part lies within the array.
        return unsafe withUnsafeBufferPointer { bytes in
            guard let start = bytes.baseAddress else { return true }
            return unsafe storlib_is_zero(start + part.lowerBound, part.count) != 0
        }
    }

    /// Fills the array with bytes that nobody can predict.
    ///
    /// The corresponding C function is `getrandom`.
    package mutating func fillRandomly() throws(StorageError) {
        var filled = 0
        while filled < count {
            filled += try systemCall("getrandom", "get random bytes", path: nil) {
                // SAFETY: `filled` is within the array.
                unsafe withUnsafeMutableBytes { bytes in
                    guard let start = bytes.baseAddress else { return 0 }
                    return unsafe storlib_random(start + filled, bytes.count - filled)
                }
            }
        }
    }
}
