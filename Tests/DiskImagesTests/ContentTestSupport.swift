import DiskImages
import Foundation
import StorageBase
import Testing

/// Content of images: made at random, compared, and carried into images that are made.
extension ImageScratch {
    static func newSeed(_ what: String = #function) -> UInt64 {
        let seed = UInt64.random(in: 0...UInt64(UInt32.max))
        print("\(what): seed \(seed)")
        return seed
    }

    /// Makes a raw file with holes, random data and data that compresses well.
    func makePattern(_ name: String, size: UInt64, seed: UInt64, runs: Int = 12) throws {
        var generator = SeededGenerator(seed: seed)
        let file = try makeFile(name)
        try file.file.setSize(ByteCount(size))
        for run in 0..<runs where size > 0 {
            let start = UInt64.random(in: 0..<size, using: &generator)
            let length = min(UInt64.random(in: 1...300_000, using: &generator), size - start)
            let byte = UInt8.random(in: 1...255, using: &generator)
            let bytes = (0..<Int(length))
                .map { index in
                    run % 2 == 0
                        ? UInt8.random(in: 0...255, using: &generator) : byte &+ UInt8(truncatingIfNeeded: index / 100)
                }
            try file.file.write(bytes, 0..<bytes.count, at: start)
        }
    }

    /// What a guest reads is what is in a raw file, with zeros up to the sector's end.
    func expectContent(of image: any DiskImage, isIn raw: String) throws {
        let expected = try open(raw)
        #expect(image.virtualSize == (expected.size + 511) / 512 * 512)
        let step: UInt64 = 4 << 20
        var position: UInt64 = 0
        while position < image.virtualSize {
            let end = min(position + step, image.virtualSize)
            let bytes = try expected.file.read(count: Int(end - position), at: position)
            let padded = bytes + [UInt8](repeating: 0, count: Int(end - position) - bytes.count)
            // A difference is megabytes of output otherwise.
            let isSame = try content(image, position..<end) == padded
            #expect(isSame, "content differs between \(position) and \(end)")
            position = end
        }
    }

    /// Makes an image whose content is that of a raw file; what follows each other is written at once.
    func convert(_ raw: String, to creation: ImageCreation) throws {
        let source = try open(raw)
        let writer = try creation.writer(to: makeFile(creation.name), makeFile: makeFile)
        /// What is to be written next: zeros, or data.
        var run: (range: Range<UInt64>, isZero: Bool) = (0..<0, true)
        func flush() throws {
            guard !run.range.isEmpty else { return }
            if run.isZero { return try writer.zero(run.range) }
            var end = run.range.lowerBound
            for place in try writer.place(run.range) {
                #expect(place.range.lowerBound == end)
                end = place.range.upperBound
                let bytes = try source.file.read(count: Int(end - place.range.lowerBound), at: place.range.lowerBound)
                try place.file.file.write(bytes, 0..<bytes.count, at: place.offset)
            }
            #expect(end == run.range.upperBound)
        }
        var position: UInt64 = 0
        while position < source.size {
            let end = min(position + writer.unit, source.size)
            let bytes = try source.file.read(count: Int(end - position), at: position)
            let isZero = bytes.allSatisfy { $0 == 0 }
            if !isZero, let compressing = writer as? any CompressingImageWriter, let codec = compressing.codec,
                let unit = codec.compress(
                    bytes + [UInt8](repeating: 0, count: Int(writer.unit) - bytes.count),
                    limit: Int(writer.unit) - 1
                )
            {
                try flush()
                try compressing.write(compressed: unit, at: position)
                run = (end..<end, true)
            } else if run.isZero == isZero {
                run.range = run.range.lowerBound..<end
            } else {
                try flush()
                run = (position..<end, isZero)
            }
            position = end
        }
        try flush()
        try writer.finish()
    }

    func resize(_ name: String, to size: UInt64) throws {
        let image = try #require(image(name, writable: true) as? any ResizableImage)
        try image.validateResize(to: size)
        try image.resize(to: size, cancellation: Cancellation())
    }

    /// Reads an image as far as it goes, whatever is wrong with it: nothing may trap, and nothing may take long.
    ///
    /// - Parameter format: The format of which it is said to be.
    /// - Returns: Whether something was found to be wrong.
    @discardableResult
    func tryAll(_ name: String, as format: ImageFormat) throws -> Bool {
        let image = try #require(format.image)
        do throws(StorageError) {
            let file = try open(name)
            let clock = ContinuousClock()
            let start = clock.now
            _ = try? ImageFormat.probe(file)
            let description = Result { () throws(StorageError) in try image.describe(file) }
            #expect(clock.now - start < .milliseconds(100))
            _ = try description.get()
            let opened = try image.init(file, opener: opener)
            var position: UInt64 = 0
            for _ in 0..<500 where position < opened.virtualSize {
                let extent = try opened.extent(at: position)
                #expect(extent.range.contains(position) && extent.range.upperBound <= opened.virtualSize)
                if case .compressed(let data) = extent.content {
                    _ = try data.expanded(to: Int(extent.range.upperBound - extent.range.lowerBound))
                }
                position = extent.range.upperBound
            }
            var check = ImageCheck()
            let cancellation = Cancellation()
            if opened.virtualSize > 1 << 34 { cancellation.cancel() }
            try opened.check(&check, cancellation: cancellation)
            return !check.isClean
        } catch {
            #expect([.damagedImage, .notSupported, .cancelled].contains(error.code), "\(error)")
            return true
        }
    }

    /// Sets each byte of a range to 0x00 and 0xFF, and tries all that can be done with the image.
    func tryEachByte(_ name: String, _ range: Range<Int>, as format: ImageFormat) throws {
        let file = try open(name, writable: true)
        for offset in range {
            let byte = try file.file.read(count: 1, at: UInt64(offset))
            for value in [0x00, 0xFF] as [UInt8] where [value] != byte {
                try file.file.write([value], 0..<1, at: UInt64(offset))
                try tryAll(name, as: format)
            }
            try file.file.write(byte, 0..<1, at: UInt64(offset))
        }
    }

    /// Damages the header and the tables at random, and tries all that can be done with the image.
    func tryRandomDamage(_ name: String, _ range: Range<UInt64>, as format: ImageFormat, seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let file = try open(name, writable: true)
        for _ in 0..<400 {
            let offset = UInt64.random(in: range, using: &generator)
            let before = try file.file.read(count: Int.random(in: 1...8, using: &generator), at: offset)
            let values: [UInt8] = [0, 1, 2, 0x7F, 0x80, 0xFE, 0xFF, .random(in: 0...255, using: &generator)]
            let bytes = before.map { values.randomElement(using: &generator) ?? $0 }
            try file.file.write(bytes, 0..<bytes.count, at: offset)
            try tryAll(name, as: format)
            try file.file.write(before, 0..<before.count, at: offset)
        }
    }

    /// Cuts copies of an image at some lengths, and tries all that can be done with them.
    func tryLengths(_ name: String, _ lengths: [UInt64], as format: ImageFormat) throws {
        for length in lengths {
            let copy = "cut-\(length)"
            try run("cp", ["--sparse=always", name, copy])
            try open(copy, writable: true).file.setSize(ByteCount(length))
            let isWrong = try tryAll(copy, as: format)
            #expect(isWrong, "\(name) cut to \(length) bytes is found sound")
            try FileManager.default.removeItem(atPath: path(copy))
        }
    }

    func patch(_ name: String, at offset: UInt64, _ bytes: [UInt8]) throws {
        try open(name, writable: true).file.write(bytes, 0..<bytes.count, at: offset)
    }
}
