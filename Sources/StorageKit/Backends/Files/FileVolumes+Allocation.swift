extension OpenFile {
    /// What is allocated or written between two looks at the cancellation.
    private static let allocationStep = ByteCount.gibibytes(1)
    private static let writingStep = ByteCount.mebibytes(1)

    /// Gives a range blocks of its own: by fallocate, or by writing zeros where the file system has no such call.
    ///
    /// The range must hold no data. The file's size is set by the caller; a file system without the call needs it set before.
    func fill(from start: ByteCount, to end: ByteCount, cancellation: Cancellation) throws(StorageError) {
        var position = start
        do throws(StorageError) {
            while position < end {
                try cancellation.check()
                let length = min(end.subtractingClamped(position), Self.allocationStep)
                try allocate(offset: position, length: length, keepingSize: true)
                position = ByteCount(position.bytes + length.bytes)
            }
        } catch {
            guard error.code == .notSupported else { throw error }
            try writeZeros(from: position, to: end, cancellation: cancellation)
        }
    }

    private func writeZeros(from start: ByteCount, to end: ByteCount, cancellation: Cancellation) throws(StorageError) {
        let zeros = [UInt8](repeating: 0, count: Int(Self.writingStep.bytes))
        var position = start
        while position < end {
            try cancellation.check()
            let length = min(end.subtractingClamped(position), Self.writingStep)
            try write(length == Self.writingStep ? zeros : Array(zeros.prefix(Int(length.bytes))), at: position)
            position = ByteCount(position.bytes + length.bytes)
        }
    }
}
