import StorageBase
import Synchronization

/// Work on several threads, a bounded number of pieces in flight; the first failure stops the rest.
final class WorkQueue: Sendable {
    private struct State {
        var waiting: [@Sendable (inout [UInt8]) throws(StorageError) -> Void] = []
        var unfinished = 0
        var failure: StorageError?
        var isClosed = false
    }

    private let state = Mutex(State())
    private let work = Semaphore()
    private let room = Semaphore()
    private let threads: Int
    private let limit: Int
    private let ended = Semaphore()

    /// The length of the buffer that each thread has, and lends to its pieces.
    static let bufferLength = 2 << 20

    /// - Parameters:
    ///   - threads: How many threads work.
    ///   - limit: How many pieces may wait for them.
    init(threads: Int, limit: Int) throws(StorageError) {
        self.threads = threads
        self.limit = limit
        for _ in 0..<limit { room.signal() }
        var started = 0
        do throws(StorageError) {
            for _ in 0..<threads {
                try startThread { self.serve() }
                started += 1
            }
        } catch {
            // One thread does.
            guard started > 0 else { throw error }
            for _ in started..<threads { ended.signal() }
        }
    }

    /// Adds a piece, once there is room.
    ///
    /// - Throws: The first failure of any piece.
    func add(_ piece: @escaping @Sendable (inout [UInt8]) throws(StorageError) -> Void) throws(StorageError) {
        room.wait()
        if let failure = state.withLock({ $0.failure }) { throw failure }
        state.withLock { $0.waiting.append(piece) }
        work.signal()
    }

    /// Waits for all pieces, and ends the threads; to be called once, whatever happened.
    ///
    /// - Throws: The first failure of any piece.
    func finish(abandoning isAbandoned: Bool = false) throws(StorageError) {
        state.withLock { state in
            state.isClosed = true
            if isAbandoned { state.waiting = [] }
        }
        for _ in 0..<threads { work.signal() }
        for _ in 0..<threads { ended.wait() }
        if let failure = state.withLock({ $0.failure }) { throw failure }
    }

    private func serve() {
        var buffer = [UInt8](repeating: 0, count: Self.bufferLength)
        while true {
            work.wait()
            let (piece, ends) = state.withLock {
                state -> ((@Sendable (inout [UInt8]) throws(StorageError) -> Void)?, Bool) in
                state.waiting.isEmpty ? (nil, state.isClosed) : (state.waiting.removeFirst(), false)
            }
            if ends { return ended.signal() }
            guard let piece else { continue }
            do throws(StorageError) {
                try piece(&buffer)
            } catch {
                state.withLock { state in state.failure = state.failure ?? error }
            }
            room.signal()
        }
    }
}
