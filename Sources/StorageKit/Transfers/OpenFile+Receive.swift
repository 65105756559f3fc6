/// What comes in one byte after the other: from a pipe, or from a closure.
extension OpenFile {
    /// Writes what a source gives, to its end or to a number of bytes.
    ///
    /// - Parameters:
    ///   - offset: Where the first byte goes.
    ///   - length: The most that is taken from the source.
    ///   - room: The most that may be written; a longer source is an error.
    ///   - isSparse: Whether runs of zeros become holes.
    /// - Returns: The number of bytes.
    func receive(
        from source: OpenSource,
        at offset: UInt64,
        length: UInt64?,
        room: UInt64,
        isSparse: Bool,
        _ control: TransferControl
    ) throws(StorageError) -> UInt64 {
        var received: UInt64 = 0
        try source.read(upTo: length, control) { bytes, count throws(StorageError) in
            guard UInt64(count) <= room - received else {
                throw StorageError(
                    .invalidArgument,
                    "the source has more than the \(room) bytes that there are from byte \(offset) to the volume's end",
                    context: StorageError.Context(path: path, byteOffset: ByteCount(offset + room))
                )
            }
            if isSparse {
                try writeSparsely(bytes, count, at: offset + received, control)
            } else {
                try write(bytes, 0..<count, at: offset + received)
            }
            received += UInt64(count)
            control.advance(by: UInt64(count))
        }
        return received
    }

    /// The smallest run of zeros that is worth a hole.
    private static let holeSize = 1 << 16

    private func writeSparsely(
        _ bytes: [UInt8],
        _ count: Int,
        at offset: UInt64,
        _ control: TransferControl
    ) throws(StorageError) {
        var position = 0
        while position < count {
            var end = min(position + Self.holeSize, count)
            let isHole = bytes.isZero(in: position..<end)
            while end < count {
                let next = min(end + Self.holeSize, count)
                guard bytes.isZero(in: end..<next) == isHole else { break }
                end = next
            }
            let place = offset + UInt64(position)
            if isHole {
                try clear(place, UInt64(end - position), control)
            } else {
                try write(bytes, position..<end, at: place)
            }
            position = end
        }
    }
}
