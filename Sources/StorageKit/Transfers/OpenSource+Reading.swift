extension OpenSource {
    /// Hands on what the source gives, one buffer after the other, to its end or to a number of bytes.
    package func read(
        upTo length: UInt64?,
        _ control: TransferControl,
        to take: (_ bytes: [UInt8], _ count: Int) throws(StorageError) -> Void
    ) throws(StorageError) {
        var rest = length ?? .max
        switch self {
        case .chunks(let next):
            while rest > 0, let chunk = try StorageError.wrapping("the source of the upload failed", next) {
                try control.cancellation.check()
                let count = Int(clamping: min(rest, UInt64(chunk.count)))
                try take(chunk, count)
                rest -= UInt64(count)
            }
        case .file(let source, let range):
            source.file.restorePosition(range.lowerBound)
            try source.file.readNext(upTo: min(rest, range.upperBound - range.lowerBound), control, to: take)
        case .stream(let source):
            try source.file.readNext(upTo: rest, control, to: take)
        }
    }
}

extension OpenFile {
    fileprivate func readNext(
        upTo length: UInt64,
        _ control: TransferControl,
        to take: (_ bytes: [UInt8], _ count: Int) throws(StorageError) -> Void
    ) throws(StorageError) {
        var buffer = [UInt8](repeating: 0, count: TransferControl.bufferSize)
        var rest = length
        while rest > 0 {
            let count = try fill(&buffer, 0..<Int(clamping: min(rest, UInt64(buffer.count))), control)
            if count == 0 { return }
            try take(buffer, count)
            rest -= UInt64(count)
        }
    }

    /// Reads until a part of a buffer is full or the end is reached.
    private func fill(
        _ buffer: inout [UInt8],
        _ part: Range<Int>,
        _ control: TransferControl
    ) throws(StorageError) -> Int {
        var position = part.lowerBound
        while position < part.upperBound {
            while try !waitToRead(milliseconds: TransferControl.patience) { try control.cancellation.check() }
            try control.cancellation.check()
            guard let count = try readNext(into: &buffer, position..<part.upperBound) else { continue }
            if count == 0 { break }
            position += count
        }
        return position - part.lowerBound
    }
}

extension StorageError {
    /// Calls what a user of the library gave; an error of another type becomes the cause of one of ours.
    package static func wrapping<Result>(
        _ message: String,
        _ body: () throws -> Result
    ) throws(StorageError) -> Result {
        do {
            return try body()
        } catch let error as StorageError {
            throw error
        } catch {
            throw StorageError(.inputOutput, "\(message): \(error)", cause: error)
        }
    }
}
