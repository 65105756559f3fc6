import DiskImages
import StorageBase
import Testing

/// The content of a disk with extents of data between holes, the same for the same seed.
struct SparseDisk {
    private(set) var bytes: [UInt8]

    /// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators).
    struct Generator: RandomNumberGenerator {
        private var state: UInt64

        init(seed: UInt64) { state = seed }

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var value = state
            value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
            value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
            return value ^ value >> 31
        }
    }

    /// Makes a disk whose extents begin and end at sectors.
    ///
    /// - Parameter longestHole: How many sectors a hole has at most; 0 for a disk that is full.
    init(size: Int, seed: UInt64, longestHole: UInt64 = 6000) {
        bytes = [UInt8](repeating: 0, count: size)
        var generator = Generator(seed: seed)
        var position = 0
        while position < size {
            position += Int(generator.next() % (longestHole + 1)) * 512
            let end = min(position + Int(generator.next() % 1500 + 1) * 512, size)
            while position < end {
                let count = min(512, end - position)
                bytes.replaceSubrange(
                    position..<position + count,
                    with: repeatElement(UInt8(truncatingIfNeeded: generator.next() | 1), count: count)
                )
                position += count
            }
        }
    }

    /// The disk with another size.
    func resized(to size: Int) -> [UInt8] {
        Array(bytes.prefix(size)) + [UInt8](repeating: 0, count: max(0, size - bytes.count))
    }
}

extension ImageScratch {
    /// Makes an image with a disk's content, through its writer.
    func write(_ disk: SparseDisk, as creation: ImageCreation) throws {
        let writer = try creation.writer(to: makeFile(creation.name), makeFile: makeFile)
        let unit = Int(writer.unit)
        var start: Int?
        for offset in stride(from: 0, through: disk.bytes.count + unit, by: unit) {
            let end = min(offset + unit, disk.bytes.count)
            if offset < end, disk.bytes[offset..<end].contains(where: { $0 != 0 }) {
                start = start ?? offset
            } else if let first = start {
                let range = UInt64(first)..<UInt64(min(offset, disk.bytes.count))
                for place in try writer.place(range) {
                    let bytes = Array(disk.bytes[Int(place.range.lowerBound)..<Int(place.range.upperBound)])
                    try place.file.file.write(bytes, 0..<bytes.count, at: place.offset)
                }
                start = nil
            }
        }
        try writer.finish()
    }

    /// Writes bytes into a file.
    func overwrite(_ name: String, _ bytes: [UInt8], at offset: UInt64) throws {
        let file = try OpenFile(path(name), .readWrite)
        try file.write(bytes, 0..<bytes.count, at: offset)
    }

    func read(_ name: String, at offset: UInt64, count: Int) throws -> [UInt8] {
        try OpenFile(path(name), .readOnly).read(count: count, at: offset)
    }

    func setSize(_ name: String, to size: UInt64) throws {
        try OpenFile(path(name), .readWrite).setSize(ByteCount(size))
    }

    func size(_ name: String) throws -> UInt64 { try OpenFile(path(name), .readOnly).contentSize() }

    /// Reads all that an image's description and extents lead to, at a few offsets; where it is damaged an error of ours comes.
    func probe<Image: DiskImage>(_ type: Image.Type, _ name: String) throws {
        do throws(StorageError) {
            let file = try open(name)
            _ = try type.describe(file)
            let image = try type.init(file, opener: opener)
            let size = image.virtualSize
            for offset in [0, size / 2, size &- 1] where offset < size {
                let extent = try image.extent(at: offset)
                #expect(extent.range.contains(offset) && extent.range.upperBound <= size)
            }
            var check = ImageCheck()
            try image.check(&check, cancellation: Cancellation())
        } catch {
            let expected: [StorageError.Code] = [.damagedImage, .notSupported]
            #expect(expected.contains(error.code), "\(error)")
        }
    }

    func check(_ image: any DiskImage) throws -> ImageCheck {
        var check = ImageCheck()
        try image.check(&check, cancellation: Cancellation())
        return check
    }

    /// Makes copies of an image whose change was interrupted after each step.
    ///
    /// - Parameters:
    ///   - steps: The ranges of the changed file that were written, in order.
    ///   - body: Looks at the copy.
    func interrupt(_ before: String, _ after: String, _ steps: [Range<UInt64>], _ body: (String) throws -> Void) throws
    {
        try run("cp", ["--sparse=always", before, "interrupted"])
        for step in steps {
            let bytes = try read(after, at: step.lowerBound, count: Int(step.upperBound - step.lowerBound))
            // A write may end half-way where it makes the file longer.
            if try step.upperBound > size("interrupted") {
                try overwrite("interrupted", Array(bytes.prefix(bytes.count / 2)), at: step.lowerBound)
                try body("interrupted")
            }
            try overwrite("interrupted", bytes, at: step.lowerBound)
            try body("interrupted")
        }
    }
}
