/// Copies between files, in constant memory.
extension OpenFile {
    /// Copies a part of another file to an offset of this one.
    ///
    /// - Parameters:
    ///   - isSparse: Whether holes there become holes here, in place of zeros.
    ///   - hasContent: Whether this file has content at the target, which holes must take away.
    func copy(
        _ range: Range<UInt64>,
        of source: borrowing OpenFile,
        to target: UInt64,
        isSparse: Bool,
        replacing hasContent: Bool,
        _ control: TransferControl
    ) throws(StorageError) {
        var buffer: [UInt8] = []
        var position = range.lowerBound
        func place(_ position: UInt64) -> UInt64 { target + (position - range.lowerBound) }
        while position < range.upperBound {
            try control.cancellation.check()
            let data = isSparse ? min(try source.nextData(from: position) ?? .max, range.upperBound) : position
            if data > position {
                if hasContent { try clear(place(position), data - position, control) }
                control.advance(by: data - position)
            }
            guard data < range.upperBound else { break }
            let hole = isSparse ? min(try source.nextHole(from: data), range.upperBound) : range.upperBound
            guard hole > data else { throw source.endedEarly(at: data) }
            try copyData(data..<hole, of: source, to: place(data), &buffer, control)
            position = hole
        }
        // What was cut off meanwhile looks like a hole.
        if isSparse, try source.contentSize() < range.upperBound { throw source.endedEarly(at: range.upperBound) }
    }

    private func copyData(
        _ range: Range<UInt64>,
        of source: borrowing OpenFile,
        to target: UInt64,
        _ buffer: inout [UInt8],
        _ control: TransferControl
    ) throws(StorageError) {
        var position = range.lowerBound
        var isByKernel = isOnSharingFilesystem
        while position < range.upperBound {
            try control.cancellation.check()
            let rest = range.upperBound - position
            let place = target + (position - range.lowerBound)
            var count: UInt64 = 0
            if isByKernel {
                do throws(StorageError) {
                    count = try copy(
                        from: source,
                        at: position,
                        to: place,
                        count: min(rest, TransferControl.kernelStep)
                    )
                } catch {
                    guard error.code == .notSupported else { throw error }
                }
                // Nothing: the end, or files between which the kernel cannot copy.
                if count == 0 { isByKernel = false }
            }
            if count == 0 {
                if buffer.isEmpty { buffer = [UInt8](repeating: 0, count: TransferControl.bufferSize) }
                let read = try source.read(into: &buffer, 0..<min(buffer.count, Int(clamping: rest)), at: position)
                guard read > 0 else { throw source.endedEarly(at: position) }
                try write(buffer, 0..<read, at: place)
                count = UInt64(read)
            }
            position += count
            control.advance(by: count)
        }
    }

    /// Makes a range read as zeros, and take no space where the file system can do that.
    func clear(_ offset: UInt64, _ length: UInt64, _ control: TransferControl) throws(StorageError) {
        do throws(StorageError) {
            return try deallocate(offset: offset, length: length)
        } catch {
            guard error.code == .notSupported else { throw error }
        }
        let zeros = [UInt8](repeating: 0, count: Int(clamping: min(length, UInt64(TransferControl.bufferSize))))
        var done: UInt64 = 0
        while done < length {
            try control.cancellation.check()
            let count = min(length - done, UInt64(zeros.count))
            try write(zeros, 0..<Int(count), at: offset + done)
            done += count
        }
    }

    private func endedEarly(at position: UInt64) -> StorageError {
        StorageError(
            .inputOutput,
            "'\(path)' ends before byte \(position): it was cut while it was read",
            context: StorageError.Context(path: path, byteOffset: ByteCount(position))
        )
    }
}
