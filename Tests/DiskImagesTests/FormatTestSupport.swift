import DiskImages
import StorageBase
import Testing

extension SeededGenerator {
    /// Stretches of data and of zeros that end anywhere.
    mutating func sparseBytes(count: Int, longest: Int = 40_000) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        while bytes.count < count {
            let length = min(Int.random(in: 1...longest, using: &self), count - bytes.count)
            if Bool.random(using: &self) {
                let value = UInt8.random(in: 1...255, using: &self)
                bytes += (0..<length).map { UInt8(truncatingIfNeeded: $0 &* Int(value)) | 1 }
            } else {
                bytes += [UInt8](repeating: 0, count: length)
            }
        }
        return bytes
    }
}

extension ImageScratch {
    /// Writes content through a format's writer, without the units that are all zeros.
    func write(_ content: [UInt8], as creation: ImageCreation) throws {
        let writer = try creation.writer(to: makeFile(creation.name), makeFile: makeFile)
        var position = 0
        while position < content.count {
            let end = min(content.count, position + Int(writer.unit))
            let range = UInt64(position)..<UInt64(end)
            if content[position..<end].contains(where: { $0 != 0 }) {
                for place in try writer.place(range) {
                    let part = Int(place.range.lowerBound)..<Int(place.range.upperBound)
                    try place.file.file.write(content, part, at: place.offset)
                }
            } else {
                try writer.zero(range)
            }
            position = end
        }
        try writer.finish()
    }

    func bytes(_ name: String) throws -> [UInt8] {
        let file = try open(name)
        return try file.file.read(count: Int(file.size), at: 0)
    }

    /// The whole content of an image, as this library reads it.
    func content(_ name: String) throws -> [UInt8] {
        let image = try image(name)
        return try content(image, 0..<image.virtualSize)
    }

    /// The whole content of an image, as QEMU reads it.
    func contentByQEMU(_ name: String, _ format: String) throws -> [UInt8] {
        try run("qemu-img", ["convert", "-f", format, "-O", "raw", name, "by-qemu.raw"])
        return try bytes("by-qemu.raw")
    }

    /// Reads all that there is of an image that may be damaged: it throws, or what it says holds together.
    ///
    /// - Returns: Whether it could be described.
    @discardableResult
    func readDamaged(_ bytes: [UInt8], _ type: any DiskImage.Type) throws -> Bool {
        try write(bytes, to: "damaged")
        let file = try open("damaged")
        var isDescribed = false
        do throws(StorageError) {
            _ = try ImageFormat.probe(file)
            _ = try type.describe(file)
            isDescribed = true
            let image = try type.init(file, opener: opener)
            var check = ImageCheck()
            // A size that the header makes up has tables that nobody has.
            if image.virtualSize < 1 << 40 { try image.check(&check, cancellation: Cancellation()) }
            var offset: UInt64 = 0
            for _ in 0..<1000 where offset < image.virtualSize {
                let extent = try image.extent(at: offset)
                guard extent.range.contains(offset), extent.range.upperBound <= image.virtualSize else {
                    Issue.record("\(extent.range) at \(offset) of \(image.virtualSize)")
                    return isDescribed
                }
                if case .compressed(let data) = extent.content {
                    _ = try data.expanded(to: Int(extent.range.upperBound - extent.range.lowerBound))
                }
                offset = extent.range.upperBound
            }
        } catch {
            #expect([.damagedImage, .notSupported].contains(error.code), "\(error)")
        }
        return isDescribed
    }

    /// Reads an image with each of some bytes changed, with several of them changed at random, and cut off at some lengths.
    func readDamaged(
        _ bytes: [UInt8],
        bytes places: some Sequence<Int>,
        lengths: some Sequence<Int>,
        _ type: any DiskImage.Type
    )
        throws
    {
        for place in places {
            for value in [0, 0xFF, bytes[place] ^ 1, bytes[place] ^ 0x80] as [UInt8] where value != bytes[place] {
                var damaged = bytes
                damaged[place] = value
                try readDamaged(damaged, type)
            }
        }
        let seed = UInt64.random(in: 0...UInt64.max)
        print("damaged \(type.format): seed \(seed)")
        var generator = SeededGenerator(seed: seed)
        let candidates = Array(places)
        for _ in 0..<300 {
            var damaged = bytes
            for _ in 0..<Int.random(in: 2...8, using: &generator) {
                let place = candidates[Int.random(in: 0..<candidates.count, using: &generator)]
                damaged[place] = UInt8.random(in: 0...255, using: &generator)
            }
            try readDamaged(damaged, type)
        }
        for length in lengths { try readDamaged(Array(bytes[..<length]), type) }
    }
}
