import StorageBase
import Testing

struct SystemTests {
    @Test func failuresNameTheObjectAndTheReason() {
        let error = #expect(throws: StorageError.self) { _ = try OpenFile("/no/such/file", .readOnly) }
        #expect(error?.code == .notFound)
        #expect(error?.description == "cannot open '/no/such/file': no such file or directory")
        #expect(error?.context.operation == "open")
    }

    @Test func pathsWithZeroBytesAreRefused() {
        let error = #expect(throws: StorageError.self) { _ = try OpenFile("/etc\u{0}/passwd", .readOnly) }
        #expect(error?.code == .invalidName)
    }

    @Test func timestampsKeepNanoseconds() {
        #expect(Timestamp(seconds: 1_341_933_637, nanoseconds: 73_190_990).description == "1341933637.073190990")
        #expect(Timestamp(seconds: 5, nanoseconds: 0).description == "5")
        #expect(
            Timestamp(seconds: 1_795_398_182, nanoseconds: 5_000_000).utcDescription == "2026-11-23 01:43:02.005+0000"
        )
    }

    @Test func anErrorIsOnePointerLarge() {
        #expect(MemoryLayout<StorageError>.size == MemoryLayout<Int>.size)
    }

    @Test func blockingWorkRunsBesideAndIsCancelled() async throws {
        let threads = BlockingThreads(limit: 3)
        let sum = try await withThrowingTaskGroup(of: Int.self) { group in
            for number in 1...200 {
                group.addTask { try await threads.run { _ throws(StorageError) in number } }
            }
            return try await group.reduce(0, +)
        }
        #expect(sum == 20_100)

        let task = Task {
            try await threads.run { cancellation throws(StorageError) in
                while true { try cancellation.check() }
            }
        }
        task.cancel()
        let error = await #expect(throws: StorageError.self) { try await task.value }
        #expect(error?.code == .cancelled)
    }
}
