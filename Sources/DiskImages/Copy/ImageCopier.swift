package import StorageBase
internal import Synchronization

/// Copies what a guest sees of a chain into an image that is being made.
///
/// Holes and zeros stay what they are. Plain bytes are moved by the kernel where it can; what must pass through us does so in
/// large pieces, on several threads, in constant memory.
package struct ImageCopier {
    private let chain: ImageChain
    private let writer: any ImageWriter
    private let cancellation: Cancellation
    private let progress: @Sendable (UInt64) -> Void
    private let sharesExtents: Bool
    /// What the image that is being made is to be.
    private let creation: ImageCreation

    /// What is looked at at once: enough for long runs, and little enough to stop soon.
    private static let windowLength: UInt64 = 8 << 20
    /// What one thread copies at once.
    private static let pieceLength = UInt64(WorkQueue.bufferLength)
    private static let threads = 2

    /// - Parameters:
    ///   - chain: What is copied.
    ///   - writer: The image that is being made.
    ///   - creation: What it is to be; its size is at least that of the chain.
    ///   - cancellation: Stops the copying.
    ///   - progress: Told of bytes of the guest's disk that are done, on any thread.
    package init(
        _ chain: ImageChain,
        to writer: any ImageWriter,
        as creation: ImageCreation,
        cancellation: Cancellation,
        progress: @escaping @Sendable (UInt64) -> Void
    ) {
        self.chain = chain
        self.writer = writer
        self.cancellation = cancellation
        self.progress = progress
        self.creation = creation
        sharesExtents = chain.layers[0].file.file.isOnSharingFilesystem
    }

    /// Copies all, and finishes the image; it is not synchronised.
    ///
    /// It blocks.
    package func run() throws(StorageError) {
        let queue = try WorkQueue(threads: Self.threads, limit: 2 * Self.threads)
        do throws(StorageError) {
            if let compressing = writer as? any CompressingImageWriter, let codec = compressing.codec {
                try compress(with: codec, to: compressing, queue)
            } else {
                try copy(queue)
            }
        } catch {
            // The failure of a thread is the cause of those that follow.
            try queue.finish(abandoning: true)
            throw error
        }
        try queue.finish()
        try cancellation.check()
        try writer.finish()
    }

    /// A part of the guest's disk that has one source, in an image of the chain.
    private typealias Piece = ImageChain.Extent

    /// The pieces from a unit's beginning on that hold data, up to a window's length, and where to go on.
    ///
    /// What lies between them is zeros.
    private func nextPieces(at position: inout UInt64) throws(StorageError) -> [Piece] {
        var pieces: [Piece] = []
        let windowEnd = min(position - position % unit + window, chain.virtualSize)
        while position < windowEnd {
            try cancellation.check()
            let extent = try chain.extent(at: position)
            switch extent.content {
            case .unallocated, .zero:
                // A hole may be far longer than the window.
                let end = extent.range.upperBound
                if end >= windowEnd, pieces.isEmpty {
                    let next = end == chain.virtualSize ? end : max(end - end % unit, windowEnd)
                    progress(next - position)
                    position = next
                    return []
                }
                progress(min(end, windowEnd) - position)
                position = min(end, windowEnd)
            case .data, .compressed:
                let end = min(extent.range.upperBound, windowEnd)
                pieces.append(
                    Piece(range: position..<end, content: extent.content, unit: extent.unit, layer: extent.layer)
                )
                position = end
            }
        }
        return pieces
    }

    private var unit: UInt64 { writer.unit }
    private var targetSize: UInt64 { creation.virtualSize }
    /// Whole units.
    private var window: UInt64 { max(Self.windowLength, unit) / unit * unit }

    // MARK: Plain

    private func copy(_ queue: WorkQueue) throws(StorageError) {
        var position: UInt64 = 0
        var placed: UInt64 = 0
        while position < chain.virtualSize {
            let pieces = try nextPieces(at: &position)
            let end = position == chain.virtualSize ? targetSize : position
            for range in creation.preallocation == .off ? units(of: pieces) : steps(placed..<end) {
                try cancellation.check()
                for place in try writer.place(range) {
                    try creation.preallocate(place, cancellation)
                    for piece in pieces where piece.range.overlaps(place.range) {
                        try copy(piece, to: place, queue)
                    }
                }
            }
            placed = end
        }
    }

    /// All units of a range, of which holes are to have a place too.
    private func steps(_ range: Range<UInt64>) -> [Range<UInt64>] {
        let length = max(ImageCreation.placeStep, unit) / unit * unit
        return stride(from: range.lowerBound, to: range.upperBound, by: Int(length))
            .map { $0..<min($0 + length, range.upperBound) }
    }

    /// The ranges of whole units in which there are pieces.
    private func units(of pieces: [Piece]) -> [Range<UInt64>] {
        var ranges: [Range<UInt64>] = []
        for piece in pieces {
            let start = piece.range.lowerBound / unit * unit
            let (end, overflow) = ((piece.range.upperBound - 1) / unit).addingReportingOverflow(1)
            let limit = min(overflow ? .max : end.multipliedReportingOverflow(by: unit).partialValue, targetSize)
            if let last = ranges.last, last.upperBound >= start {
                ranges[ranges.count - 1] = last.lowerBound..<max(limit, last.upperBound)
            } else {
                ranges.append(start..<limit)
            }
        }
        return ranges
    }

    private func copy(_ piece: Piece, to place: ImagePlace, _ queue: WorkQueue) throws(StorageError) {
        let range = piece.range.clamped(to: place.range)
        let target = place.offset + (range.lowerBound - place.range.lowerBound)
        let count = range.upperBound - range.lowerBound
        let file = place.file
        let (progress, cancellation) = (progress, cancellation)
        switch piece.content {
        case .unallocated, .zero: break
        case .compressed(let data):
            let unit = piece.unit
            try queue.add { _ throws(StorageError) in
                let bytes = try data.expanded(to: Self.count(of: unit))
                let start = Int(range.lowerBound - unit.lowerBound)
                try file.file.write(bytes, start..<start + Int(count), at: target)
                progress(count)
            }
        case .data(let source, let offset):
            let start = offset + (range.lowerBound - piece.range.lowerBound)
            let sharesExtents = sharesExtents
            for position in stride(from: 0, to: count, by: Int(Self.pieceLength)) {
                let length = min(Self.pieceLength, count - position)
                try queue.add { buffer throws(StorageError) in
                    try cancellation.check()
                    if sharesExtents {
                        try Self.share(source, at: start + position, to: file, at: target + position, length, &buffer)
                    } else {
                        try Self.copy(source, at: start + position, to: file, at: target + position, length, &buffer)
                    }
                    progress(length)
                }
            }
        }
    }

    /// A unit's length; those of the formats are limited when they are opened.
    private static func count(of unit: Range<UInt64>) -> Int {
        Int(clamping: min(unit.upperBound - unit.lowerBound, UInt64(CompressedData.maximumExpandedLength)))
    }

    /// Where the file system shares extents, or its server copies, the kernel does it without the bytes.
    private static func share(
        _ source: ImageFile,
        at offset: UInt64,
        to target: ImageFile,
        at place: UInt64,
        _ count: UInt64,
        _ buffer: inout [UInt8]
    ) throws(StorageError) {
        var done: UInt64 = 0
        do throws(StorageError) {
            while done < count {
                let copied = try target.file.copy(
                    from: source.file,
                    at: offset + done,
                    to: place + done,
                    count: count - done
                )
                if copied == 0 { return try source.checkEnd(at: offset + done) }
                done += copied
            }
        } catch {
            guard error.code == .notSupported else { throw error }
            try copy(source, at: offset + done, to: target, at: place + done, count - done, &buffer)
        }
    }

    private static func copy(
        _ source: ImageFile,
        at offset: UInt64,
        to target: ImageFile,
        at place: UInt64,
        _ count: UInt64,
        _ buffer: inout [UInt8]
    ) throws(StorageError) {
        var done: UInt64 = 0
        while done < count {
            let length = Int(min(count - done, UInt64(buffer.count)))
            let read = try source.file.read(into: &buffer, 0..<length, at: offset + done)
            try target.file.write(buffer, 0..<read, at: place + done)
            done += UInt64(read)
            if read < length { return try source.checkEnd(at: offset + done) }
        }
    }

    // MARK: Compressed

    /// A unit on its way through a thread.
    private final class Unit: Sendable {
        let offset: UInt64
        /// The bytes of it that are not in a hole.
        let count: UInt64
        private let result = Mutex<(plain: [UInt8], compressed: [UInt8]?)?>(nil)
        let isDone = Semaphore()

        init(offset: UInt64, count: UInt64) {
            self.offset = offset
            self.count = count
        }

        func finish(_ plain: [UInt8], _ compressed: [UInt8]?) {
            result.withLock { $0 = (plain, compressed) }
            isDone.signal()
        }

        func fail() { isDone.signal() }

        var content: (plain: [UInt8], compressed: [UInt8]?)? { result.withLock { $0 } }
    }

    /// Units are compressed on several threads, and written in their order.
    private func compress(
        with codec: Codec,
        to writer: any CompressingImageWriter,
        _ queue: WorkQueue
    ) throws(StorageError) {
        var waiting: [Unit] = []
        var position: UInt64 = 0
        // A format that compresses all takes what becomes larger too.
        let limit = writer.compressesAll ? Int(unit) + Int(unit) / 8 + 1024 : Int(unit) - 1
        while position < chain.virtualSize {
            let pieces = try nextPieces(at: &position)
            for range in units(of: pieces) {
                for start in stride(from: range.lowerBound, to: range.upperBound, by: Int(unit)) {
                    let content = pieces.filter { $0.range.overlaps(start..<start + unit) }
                    let length = Int(unit)
                    let count = content.reduce(0 as UInt64) { count, piece in
                        let range = piece.range.clamped(to: start..<start + unit)
                        return count + (range.upperBound - range.lowerBound)
                    }
                    let item = Unit(offset: start, count: count)
                    try queue.add { _ throws(StorageError) in
                        do throws(StorageError) {
                            let plain = try Self.assemble(content, from: start, length)
                            item.finish(plain, codec.compress(plain, limit: limit))
                        } catch {
                            item.fail()
                            throw error
                        }
                    }
                    waiting.append(item)
                    if waiting.count > 2 * Self.threads { try write(waiting.removeFirst(), to: writer) }
                }
            }
        }
        for item in waiting { try write(item, to: writer) }
    }

    private func write(_ item: Unit, to writer: any CompressingImageWriter) throws(StorageError) {
        try cancellation.check()
        item.isDone.wait()
        // The queue has the failure, and throws it at its end.
        guard let content = item.content else { throw Self.unitFailed }
        let length = min(unit, targetSize - item.offset)
        if let compressed = content.compressed {
            try writer.write(compressed: compressed, at: item.offset)
        } else {
            for place in try writer.place(item.offset..<item.offset + length) {
                let start = Int(place.range.lowerBound - item.offset)
                let count = Int(place.range.upperBound - place.range.lowerBound)
                try place.file.file.write(content.plain, start..<start + count, at: place.offset)
            }
        }
        progress(item.count)
    }

    private static let unitFailed = StorageError(.inputOutput, "a unit could not be read")

    /// The plain content of a unit, zeros where there is no piece.
    private static func assemble(_ pieces: [Piece], from start: UInt64, _ length: Int) throws(StorageError) -> [UInt8] {
        var unit = [UInt8](repeating: 0, count: length)
        for piece in pieces {
            let range = piece.range.clamped(to: start..<start + UInt64(length))
            let target = Int(range.lowerBound - start)..<Int(range.upperBound - start)
            switch piece.content {
            case .unallocated, .zero: break
            case .data(let file, let offset):
                let place = offset + (range.lowerBound - piece.range.lowerBound)
                let read = try file.file.read(into: &unit, target, at: place)
                if read < target.count { try file.checkEnd(at: place + UInt64(read)) }
            case .compressed(let data):
                let bytes = try data.expanded(to: count(of: piece.unit))
                let first = Int(range.lowerBound - piece.unit.lowerBound)
                unit.replaceSubrange(target, with: bytes[first..<first + target.count])
            }
        }
        return unit
    }
}
