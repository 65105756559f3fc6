/// What goes out without positions: to a pipe, or to a closure.
extension OpenFile {
    /// Hands a part of the file on, one buffer after the other; holes are zeros.
    func send(
        _ range: Range<UInt64>,
        _ control: TransferControl,
        to take: (_ bytes: [UInt8], _ count: Int) throws(StorageError) -> Void
    ) throws(StorageError) {
        var buffer = [UInt8](repeating: 0, count: TransferControl.bufferSize)
        var position = range.lowerBound
        while position < range.upperBound {
            try control.cancellation.check()
            let wanted = Int(clamping: min(UInt64(buffer.count), range.upperBound - position))
            let count = try read(into: &buffer, 0..<wanted, at: position)
            guard count > 0 else {
                throw StorageError(
                    .inputOutput,
                    "'\(path)' ends before byte \(range.upperBound): it was cut while it was read",
                    context: StorageError.Context(path: path, byteOffset: ByteCount(position))
                )
            }
            try take(buffer, count)
            position += UInt64(count)
            control.advance(by: UInt64(count))
        }
    }

    /// Writes what comes next, however long it takes.
    func writeAll(_ bytes: [UInt8], _ count: Int, _ control: TransferControl) throws(StorageError) {
        var position = 0
        while position < count {
            while try !waitToWrite(milliseconds: TransferControl.patience) { try control.cancellation.check() }
            if let written = try writeNext(bytes, position..<count) { position += written }
        }
    }
}
