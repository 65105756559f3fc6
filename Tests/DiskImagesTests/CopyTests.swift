import DiskImages
import Foundation
import StorageBase
import Synchronization
import Testing

extension ImageScratch {
    /// Writes a raw file of holes, compressible and random data; the same for the same seed.
    func writeRandomDisk(_ name: String, size: UInt64, seed: UInt64, pieces: Int = 24) throws {
        var generator = SeededGenerator(seed: seed)
        let file = try makeFile(name)
        try file.file.setSize(ByteCount(size))
        guard size > 0 else { return }
        for _ in 0..<pieces {
            let start = UInt64.random(in: 0..<size, using: &generator) / 512 * 512
            let count = Int(min(UInt64.random(in: 1...300_000, using: &generator), size - start))
            let kind = Int.random(in: 0..<3, using: &generator)
            var bytes = [UInt8](repeating: 0, count: count)
            for index in bytes.indices where kind > 0 {
                bytes[index] = kind == 1 ? UInt8(truncatingIfNeeded: index / 512) : generator.next(upperBound: 255)
            }
            try file.file.write(bytes, 0..<count, at: start)
        }
    }

    func chain(_ name: String) throws -> ImageChain {
        let top = try image(name)
        return try ImageChain(top) { backing, _ throws(StorageError) in
            let file = try self.open(backing.name)
            let format = if let format = backing.format { format } else { try ImageFormat.probe(file) }
            guard let image = format.image else { throw StorageError(.notSupported, "\(format)") }
            return try image.init(file, opener: self.opener)
        }
    }

    func convert(_ source: String, _ creation: ImageCreation) throws {
        let chain = try chain(source)
        var creation = creation
        creation.virtualSize = chain.virtualSize
        let done = Atomic<UInt64>(0)
        let writer = try creation.writer(to: makeFile(creation.name), makeFile: makeFile)
        try ImageCopier(chain, to: writer, as: creation, cancellation: Cancellation()) {
            done.add($0, ordering: .relaxed)
        }
        .run()
        #expect(done.load(ordering: .relaxed) == chain.virtualSize)
    }
}

struct CopyTests {
    private let scratch = ImageScratch()

    @Test(arguments: 1...8 as ClosedRange<UInt64>) func qcow2ThereAndBack(seed: UInt64) throws {
        let size = [0, 512, 65_536, 1_000_000, 9 << 20, 40 << 20][Int(seed) % 6] / 512 * 512 as UInt64
        try scratch.writeRandomDisk("disk", size: size, seed: seed)
        for (number, (level, clusterSize, codec))
            in ([
                ("1.1", nil, nil), ("0.10", nil, nil), ("1.1", 512, nil), ("1.1", 2 << 20, nil), ("1.1", nil, .deflate),
                ("1.1", nil, .zstd), ("0.10", 4096, .deflate), ("1.1", 512, .deflate),
            ] as [(String, UInt64?, Codec?)])
            .enumerated()
        {
            var creation = ImageCreation(format: .qcow2, name: "image\(number)", virtualSize: 0)
            creation.compatibility = level
            creation.clusterSize = clusterSize
            creation.compression = codec
            try scratch.convert("disk", creation)
            try scratch.run("qemu-img", ["check", "-f", "qcow2", creation.name])
            try scratch.run("qemu-img", ["compare", "-f", "raw", "-F", "qcow2", "disk", creation.name])
            let back = ImageCreation(format: .raw, name: "back\(number)", virtualSize: 0)
            try scratch.convert(creation.name, back)
            try scratch.run("cmp", ["disk", back.name])
        }
    }

    @Test(arguments: ImagePreallocation.allCases) func copiesArePreallocated(preallocation: ImagePreallocation) throws {
        try scratch.writeRandomDisk("disk", size: 20 << 20, seed: 99)
        var creation = ImageCreation(format: .qcow2, name: "image", virtualSize: 0)
        creation.preallocation = preallocation
        try scratch.convert("disk", creation)
        try scratch.run("qemu-img", ["check", "-f", "qcow2", "image"])
        try scratch.run("qemu-img", ["compare", "-f", "raw", "-F", "qcow2", "disk", "image"])
        let allocated = try scratch.open("image").file.status().allocated
        #expect((allocated.bytes >= 20 << 20) == (preallocation == .falloc || preallocation == .full))
        #expect((try scratch.check("image").allocatedUnits == 320) == (preallocation != .off))
    }

    @Test func extendedL2() throws {
        try scratch.writeRandomDisk("disk", size: 20 << 20, seed: 77)
        try scratch.run(
            "qemu-img",
            ["convert", "-O", "qcow2", "-o", "extended_l2=on,cluster_size=128k", "disk", "theirs"]
        )
        try scratch.convert("theirs", ImageCreation(format: .raw, name: "raw", virtualSize: 0))
        try scratch.run("cmp", ["disk", "raw"])
        var creation = ImageCreation(format: .qcow2, name: "ours", virtualSize: 0)
        creation.hasExtendedL2 = true
        creation.hasLazyRefcounts = true
        try scratch.convert("theirs", creation)
        try scratch.run("qemu-img", ["check", "-f", "qcow2", "ours"])
        try scratch.run("qemu-img", ["compare", "-f", "raw", "-F", "qcow2", "disk", "ours"])
    }

    @Test(arguments: 10...13 as ClosedRange<UInt64>) func chainsOfThree(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        try scratch.writeRandomDisk("base", size: 6 << 20, seed: seed)
        let options = seed % 2 == 0 ? "" : ",extended_l2=on,cluster_size=64k"
        try scratch.run(
            "qemu-img",
            ["create", "-f", "qcow2", "-b", "base", "-F", "raw", "-o", "cluster_size=64k" + options, "middle", "8M"]
        )
        try scratch.run("qemu-img", ["create", "-f", "qcow2", "-b", "middle", "-F", "qcow2", "top", "9M"])
        for (image, limit) in [("middle", 8 << 20), ("top", 9 << 20)] as [(String, UInt64)] {
            for _ in 0..<12 {
                let start = UInt64.random(in: 0..<limit, using: &generator) / 512 * 512
                let count = min(UInt64.random(in: 1...200_000, using: &generator), limit - start)
                let command = Bool.random(using: &generator) ? "write -P 77" : "write -z"
                try scratch.run("qemu-io", ["-f", "qcow2", "-c", "\(command) \(start) \(count)", image])
            }
        }
        try scratch.run("qemu-img", ["convert", "-O", "raw", "top", "expected"])
        try scratch.convert("top", ImageCreation(format: .raw, name: "raw", virtualSize: 0))
        try scratch.run("cmp", ["expected", "raw"])
        try scratch.convert("top", ImageCreation(format: .qcow2, name: "flat", virtualSize: 0))
        try scratch.run("qemu-img", ["compare", "-f", "raw", "-F", "qcow2", "expected", "flat"])
        try compareMap("top")
    }

    /// Our map says what `qemu-img map` says, data by data.
    private func compareMap(_ name: String) throws {
        struct Entry: Decodable {
            let start, length: UInt64
            let depth: Int
            let data, zero: Bool
            let offset: UInt64?
        }
        let theirs = try JSONDecoder()
            .decode(
                [Entry].self,
                from: Data(scratch.run("qemu-img", ["map", "--output=json", name]).utf8)
            )
        let ours = try ImageMap(scratch.chain(name), cancellation: Cancellation()).entries
        #expect(ours.reduce(0) { $0 + $1.length.bytes } == theirs.reduce(0) { $0 + $1.length })
        for entry in theirs where entry.data {
            let match = ours.first {
                $0.start.bytes <= entry.start && entry.start < $0.start.bytes + $0.length.bytes
            }
            #expect(match?.kind == .data && match?.layer == entry.depth, "\(entry) \(String(describing: match))")
            #expect(match?.offset.map { $0.bytes + entry.start - (match?.start.bytes ?? 0) } == entry.offset)
        }
    }
}
