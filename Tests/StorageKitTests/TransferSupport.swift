import Foundation
import StorageKit
import Synchronization

/// Numbers that follow from a seed (SplitMix64), so that a test that fails can be run again.
struct SeededNumbers: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }

    mutating func bytes(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 8)
        while bytes.count < count { unsafe withUnsafeBytes(of: next()) { unsafe bytes += $0 } }
        return Array(bytes.prefix(count))
    }

    /// Data and runs of zeros, of up to 200 KiB each.
    mutating func sparseBytes(_ count: Int) -> [UInt8] {
        var content: [UInt8] = []
        while content.count < count {
            let length = min(Int.random(in: 1...200_000, using: &self), count - content.count)
            content += Bool.random(using: &self) ? bytes(length) : Array(repeating: 0, count: length)
        }
        return content
    }
}

/// Bytes that a source gives in chunks, or that a target took.
final class Chunks: Sendable {
    private let rest: Mutex<[UInt8]>
    private let size: Int

    init(_ bytes: [UInt8] = [], size: Int = 100_003) {
        rest = Mutex(bytes)
        self.size = size
    }

    var bytes: [UInt8] { rest.withLock { $0 } }

    var source: UploadSource {
        .chunks {
            self.rest.withLock { rest in
                let chunk = Array(rest.prefix(self.size))
                rest.removeFirst(chunk.count)
                return chunk.isEmpty ? nil : chunk
            }
        }
    }

    var target: DownloadTarget { .chunks { chunk in self.rest.withLock { $0 += chunk } } }
}

/// A source that gives one chunk, and no more before it is let go.
final class HeldSource: Sendable {
    private let isHeld = Atomic(true)
    private let given = Atomic(0)

    var source: UploadSource {
        .chunks {
            let count = self.given.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue
            if count == 1 { return [UInt8](repeating: 7, count: 1000) }
            while self.isHeld.load(ordering: .sequentiallyConsistent) { Thread.sleep(forTimeInterval: 0.002) }
            return nil
        }
    }

    /// Waits until the first chunk is written, which is when the second is asked for.
    func waitUntilBegun() async throws {
        while given.load(ordering: .sequentiallyConsistent) < 2 { try await Task.sleep(for: .milliseconds(2)) }
    }

    func release() {
        isHeld.store(false, ordering: .sequentiallyConsistent)
    }

    /// Gives one byte again and again until it is let go.
    var endless: UploadSource {
        .chunks {
            self.given.wrappingAdd(1, ordering: .sequentiallyConsistent)
            Thread.sleep(forTimeInterval: 0.002)
            return self.isHeld.load(ordering: .sequentiallyConsistent) ? [9] : nil
        }
    }
}

extension Scratch {
    func url(_ name: String) -> URL { URL(fileURLWithPath: "\(path)/\(name)") }

    func bytes(_ name: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: url(name))) }

    func write(_ bytes: [UInt8], to name: String) throws { try Data(bytes).write(to: url(name)) }

    /// Writes bytes, of which long runs of zeros become holes.
    func writeSparsely(_ bytes: [UInt8], to name: String) throws {
        let file = try OpenFile("\(path)/\(name)", [.readWrite, .create], mode: 0o600)
        try file.setSize(.zero)
        try file.setSize(ByteCount(UInt64(bytes.count)))
        for start in stride(from: 0, to: bytes.count, by: 4096) {
            let part = start..<min(start + 4096, bytes.count)
            if bytes[part].contains(where: { $0 != 0 }) { try file.write(bytes, part, at: UInt64(start)) }
        }
    }

    func allocation(_ name: String) throws -> UInt64 {
        try OpenFile("\(path)/\(name)", .readOnly).status().allocated.bytes
    }

    func runningPool(_ manager: StorageManager? = nil) throws -> StoragePool {
        let pool = try (manager ?? self.manager()).define(directoryPool())
        try pool.start(build: .standard)
        return pool
    }
}
