internal import StorageBase

extension ImageFile {
    private static let zeroStep = 1 << 20

    /// Makes a range of the file read as zeros; the file's size stays, or grows to the range's end.
    func writeZeros(_ range: Range<UInt64>, cancellation: Cancellation) throws(StorageError) {
        let zeros = [UInt8](repeating: 0, count: Self.zeroStep)
        var position = range.lowerBound
        while position < range.upperBound {
            try cancellation.check()
            let count = Int(min(range.upperBound - position, UInt64(Self.zeroStep)))
            try file.write(zeros, 0..<count, at: position)
            position += UInt64(count)
        }
    }
}
