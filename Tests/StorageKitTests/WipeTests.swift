import Foundation
import StorageKit
import Testing

/// What a wipe leaves, and over which blocks it goes.
struct WipeTests {
    private let scratch = Scratch()

    @Test func thePassesAreThoseOfTheStandards() {
        let random = WipePass.random
        func pattern(_ bytes: UInt8...) -> WipePass { .pattern(bytes) }
        #expect(WipeAlgorithm.zero.passes == [pattern(0)])
        #expect(WipeAlgorithm.nnsa.passes == [random, random, pattern(0), .verification])
        #expect(WipeAlgorithm.dod.passes == [random, pattern(0), pattern(0xFF), .verification])
        // Each bit is clear once, after a pass with none clear.
        #expect(WipeAlgorithm.bsi.passes == [pattern(0xFF)] + (0..<8).map { pattern(~(1 << $0)) })
        #expect(WipeAlgorithm.schneier.passes == [pattern(0), pattern(0xFF)] + Array(repeating: random, count: 5))
        #expect(WipeAlgorithm.pfitzner7.passes == Array(repeating: random, count: 7))
        #expect(WipeAlgorithm.pfitzner33.passes == Array(repeating: random, count: 33))
        #expect(WipeAlgorithm.random.passes == [random])
        #expect(WipeAlgorithm.trim.passes == [])
        // Gutmann's table 1, passes 5 to 31, as it is printed.
        let table = """
            55 AA 924924 492492 249249 00 11 22 33 44 55 66 77 88 99 AA BB CC DD EE FF 924924 492492 249249 6DB6DB B6DB6D DB6DB6
            """
        let patterns = table.split(separator: " ")
            .map { text in
                WipePass.pattern(
                    stride(from: 0, to: text.count, by: 2)
                        .compactMap { UInt8(text.dropFirst($0).prefix(2), radix: 16) }
                )
            }
        let four = Array(repeating: random, count: 4)
        #expect(WipeAlgorithm.gutmann.passes == four + patterns + four)
        #expect(WipeAlgorithm.gutmann.passes.count == 35)
        #expect(
            WipeAlgorithm.allCases.map(\.rawValue).joined(separator: " ")
                == "zero nnsa dod bsi gutmann schneier pfitzner7 pfitzner33 random trim"
        )
    }

    @Test(arguments: WipeAlgorithm.allCases)
    func nothingIsLeft(algorithm: WipeAlgorithm) throws {
        let pool = try scratch.runningPool()
        var numbers = SeededNumbers(seed: 5)
        let secret = Array("a secret that nobody may find".utf8)
        // Fragments and holes, more extents than one call of the kernel lists, and an end within a block.
        let size = 4_000_001
        try pool.createVolume(VolumeDefinition(name: "a", capacity: ByteCount(UInt64(size)), allocation: .zero))
        let file = try OpenFile(scratch.path + "/images/a", .readWrite)
        for offset in stride(from: 0, to: size - 4096, by: 12288) {
            try file.write(secret, at: ByteCount(UInt64(offset + Int.random(in: 0..<4000, using: &numbers))))
        }
        try file.synchronize()
        let allocation = try scratch.allocation("images/a")
        let volume = try pool.wipeVolume(named: "a", algorithm)
        #expect(volume.problem == nil)
        #expect(volume.capacity.bytes == UInt64(size))
        let content = Data(try scratch.bytes("images/a"))
        #expect(content.range(of: Data(secret)) == nil)
        #expect(try scratch.allocation("images/a") == (algorithm == .trim ? 0 : allocation))
        let holes = stride(from: 4096, to: size - 8192, by: 12288).map { content[$0..<$0 + 8192] }
        #expect(holes.allSatisfy { $0.allSatisfy { $0 == 0 } }, "holes stay holes")
        switch algorithm {
        case .zero, .nnsa, .trim: #expect(content.allSatisfy { $0 == 0 })
        case .dod: #expect(content[..<4096].allSatisfy { $0 == 0xFF })
        case .bsi: #expect(content[..<4096].allSatisfy { $0 == 0x7F })
        case .gutmann, .schneier, .pfitzner7, .pfitzner33, .random:
            // 4096 random bytes have some 250 of the 256 values: fewer than 200 with a chance of none.
            #expect(Set(content[..<4096]).count > 200)
        }
    }

    @Test func blocksThatWereSetAsideAreOverwrittenToo() throws {
        let pool = try scratch.runningPool()
        try pool.createVolume(VolumeDefinition(name: "a", capacity: .mebibytes(3)))
        let last = LastProgress()
        try pool.wipeVolume(named: "a", .dod, progress: ProgressMeter { last.set($0) })
        #expect(last.value?.done == .mebibytes(12))
        #expect(last.value?.total == .mebibytes(12))
        #expect(try scratch.bytes("images/a").allSatisfy { $0 == 0xFF })
    }

    @Test func aCancelledWipeLeavesAVolumeThatSaysSo() throws {
        let pool = try scratch.runningPool()
        try pool.createVolume(VolumeDefinition(name: "a", capacity: .mebibytes(3)))
        let cancellation = Cancellation()
        let error = #expect(throws: StorageError.self) {
            let progress = ProgressMeter { _ in cancellation.cancel() }
            try pool.wipeVolume(named: "a", .gutmann, progress: progress, cancellation: cancellation)
        }
        #expect(error?.code == .cancelled)
        #expect(error?.message == "the wipe of volume 'a' of pool 'images' was cancelled")
        #expect(try pool.volume(named: "a").problem?.hasPrefix("a wipe was broken off") == true)
        try pool.wipeVolume(named: "a")
        #expect(try pool.volume(named: "a").problem == nil)
    }

    @Test func anEmptyVolumeIsWipedAtOnce() throws {
        let pool = try scratch.runningPool()
        try pool.createVolume(VolumeDefinition(name: "a", capacity: .zero))
        for algorithm in WipeAlgorithm.allCases { try pool.wipeVolume(named: "a", algorithm) }
        #expect(try pool.volume(named: "a").problem == nil)
    }
}

/// The last that a meter told.
private final class LastProgress: @unchecked Sendable {
    // SAFETY: a meter calls its handler on the thread that works, which is the test's own here.
    private(set) var value: TransferProgress?

    func set(_ progress: TransferProgress) { value = progress }
}
