package import DiskImages
package import StorageBase

/// All that is done with the file of an image, whoever wrote it, and what must hold whatever is in it.
///
/// A trial that traps, or does not end, has found something too.
package struct ImageTrial {
    package let format: ImageFormat
    /// What does not hold.
    package private(set) var violations: [String] = []
    /// What the header says, where it makes sense.
    package private(set) var description: ImageDescription?
    /// The time that telling this from the header, or refusing it, took the processor.
    package private(set) var describing = Duration.zero
    /// Why the image cannot be used, or not all of it.
    package private(set) var refusal: StorageError?
    /// What is wrong with its tables; nil where it was not looked at to the end.
    package private(set) var check: ImageCheck?

    /// What a listing may take for one file.
    package static let describingLimit = Duration.milliseconds(10)
    private static let extentLimit = 300
    private static let expansionLimit: UInt64 = 16 << 20

    private let timeLimit: Duration
    private var expandedLength: UInt64 = 0

    /// Tries all with a file that is open for reading and writing.
    ///
    /// - Parameters:
    ///   - format: The format of which it is said to be.
    ///   - timeLimit: When what looks at all tables, which may take long, is asked to end.
    package init(_ file: consuming OpenFile, as format: ImageFormat, timeLimit: Duration = .seconds(2)) {
        self.format = format
        self.timeLimit = timeLimit
        do throws(StorageError) {
            let copy = try file.duplicate()
            try read(ImageFile(file))
            try change(copy)
        } catch {
            refuse(error)
        }
    }

    private mutating func expect(_ holds: Bool, _ message: @autoclosure () -> String) {
        if !holds { violations.append(message()) }
    }

    private mutating func refuse(_ error: StorageError, _ others: [StorageError.Code] = []) {
        refusal = refusal ?? error
        let codes: [StorageError.Code] = [.damagedImage, .notSupported, .cancelled] + others
        expect(codes.contains(error.code), "code \(error.code): \(error)")
    }

    /// The other files of an image are its own once more.
    private static let opener = ImageOpener { _, image throws(StorageError) in
        try ImageFile(image.file.duplicate())
    }

    private mutating func read(_ file: ImageFile) throws(StorageError) {
        let format = format
        guard let type = format.image else { return expect(false, "\(format) has no reader") }
        _ = try ImageFormat.probe(file)
        let begin = Duration.ofThread
        let result = Result { () throws(StorageError) in try type.describe(file) }
        describing = .ofThread - begin
        let description = try result.get()
        expect(description.format == format, "a \(format) is described as \(description.format)")
        expect(description.virtualSize <= .maximum, "a virtual size of \(description.virtualSize.bytes) bytes")
        self.description = description

        let image = try type.init(file, opener: Self.opener)
        expect(image.description == description, "the open image is described as \(image.description)")
        lookAtExtents(of: image)
        check = lookAtTables(of: image)
    }

    /// Follows the extents from some places on.
    private mutating func lookAtExtents(of image: any DiskImage) {
        let size = image.virtualSize
        for start in [0, size / 2, max(size, 1) - 1] {
            var position = start
            do throws(StorageError) {
                for _ in 0..<Self.extentLimit where position < size {
                    let extent = try image.extent(at: position)
                    guard extent.range.contains(position), extent.range.upperBound <= size else {
                        expect(false, "extent \(extent.range) at \(position) of \(size)")
                        break
                    }
                    try lookAt(extent)
                    position = extent.range.upperBound
                }
            } catch {
                refuse(error)
            }
        }
    }

    private mutating func lookAt(_ extent: ImageExtent) throws(StorageError) {
        let length = extent.range.upperBound - extent.range.lowerBound
        switch extent.content {
        case .unallocated, .zero: break
        case .data(_, let offset):
            let end = offset.addingReportingOverflow(length)
            expect(
                !end.overflow && end.partialValue <= ByteCount.maximum.bytes,
                "\(length) bytes of data at \(offset), where no file has any"
            )
        case .compressed(let data):
            guard length <= UInt64(CompressedData.maximumExpandedLength) else {
                return expect(false, "a compressed unit of \(length) bytes")
            }
            guard expandedLength < Self.expansionLimit else { return }
            expandedLength += length
            let count = try data.expanded(to: Int(length)).count
            expect(count == Int(length), "a compressed unit of \(length) bytes expands to \(count)")
        }
    }

    private mutating func lookAtTables(of image: any DiskImage) -> ImageCheck? {
        var check = ImageCheck()
        do throws(StorageError) {
            try cancelling { cancellation throws(StorageError) in
                try image.check(&check, cancellation: cancellation)
            }
            return check
        } catch {
            refuse(error)
            return nil
        }
    }

    /// Asks what takes long to end.
    private func cancelling<Value>(
        _ body: (Cancellation) throws(StorageError) -> Value
    ) throws(StorageError) -> Value {
        let cancellation = Cancellation()
        let timer = Task.detached { [timeLimit] in
            try await Task.sleep(for: timeLimit)
            cancellation.cancel()
        }
        defer { timer.cancel() }
        return try body(cancellation)
    }
}

/// What changes an image.
extension ImageTrial {
    private mutating func change(_ file: borrowing OpenFile) throws(StorageError) {
        guard let type = format.image, let description else { return }
        if type is any RepairableImage.Type { try repair(file) }
        guard type is any ResizableImage.Type else { return }
        let size = description.virtualSize.bytes
        try resize(file, to: size.addingReportingOverflow(3 << 20).partialValue)
        try resize(file, to: size / 2)
    }

    private func reopen(_ file: borrowing OpenFile) throws(StorageError) -> (any DiskImage)? {
        try format.image?.init(ImageFile(file.duplicate(), isChanging: true), opener: Self.opener)
    }

    private mutating func repair(_ file: borrowing OpenFile) throws(StorageError) {
        guard let image = try reopen(file) as? any RepairableImage else { return }
        do throws(StorageError) {
            let count = try cancelling { cancellation throws(StorageError) in
                try image.repairLeaks(cancellation: cancellation)
            }
            guard count > 0, let repaired = try reopen(file) else { return }
            let check = lookAtTables(of: repaired)
            self.check = check
            expect(check?.isClean ?? true, "\(count) leaks repaired, and there is \(check?.findings ?? [])")
        } catch {
            refuse(error)
        }
    }

    private mutating func resize(_ file: borrowing OpenFile, to size: UInt64) throws(StorageError) {
        guard let image = try reopen(file) as? any ResizableImage else { return }
        do throws(StorageError) {
            try image.validateResize(to: size)
            try cancelling { cancellation throws(StorageError) in
                try image.resize(to: size, cancellation: cancellation)
            }
        } catch {
            return refuse(error, [.invalidArgument, .noSpace])
        }
        let resized: any DiskImage
        do throws(StorageError) {
            guard let image = try reopen(file) else { return }
            resized = image
        } catch {
            return expect(false, "resized to \(size) bytes it cannot be opened: \(error)")
        }
        expect(resized.virtualSize >= size, "resized to \(size) bytes it has \(resized.virtualSize)")
        lookAtExtents(of: resized)
        let wasClean = self.check?.isClean ?? false
        let check = lookAtTables(of: resized)
        self.check = check
        // What the old tables were may be leaked.
        if wasClean, let check {
            expect(check.corruptionCount == 0, "clean, and resized to \(size) bytes: \(check.findings)")
        }
    }
}
