/// The events of pools and volumes as they happen, by this program and by others.
///
/// Iterate it once. Each element is there as soon as the system tells of the change; the system merges equal changes
/// that follow each other at once. The watching ends with the loop.
public struct PoolEvents: AsyncSequence, Sendable {
    /// An event.
    public typealias Element = PoolEvent
    /// A failure of the watching itself.
    public typealias Failure = any Error

    private let stream: AsyncThrowingStream<PoolEvent, any Error>

    init(_ watcher: consuming sending PoolEventWatcher) throws(StorageError) {
        let wakeUp = try WakeUp()
        let (stream, continuation) = AsyncThrowingStream<PoolEvent, any Error>.makeStream()
        self.stream = stream
        continuation.onTermination = { _ in wakeUp.ring() }
        let run = Run(watcher, wakeUp)
        startThread {
            do throws(StorageError) {
                while let event = try run.next() { continuation.yield(event) }
                continuation.finish()
            } catch {
                continuation.finish(throwing: error)
            }
        }
    }

    /// Begins to iterate.
    public func makeAsyncIterator() -> AsyncThrowingStream<PoolEvent, any Error>.Iterator {
        stream.makeAsyncIterator()
    }

    /// The watcher, in the hands of its one thread.
    private final class Run: @unchecked Sendable {
        // SAFETY: only the thread that init starts calls next().
        private var watcher: PoolEventWatcher
        private let wakeUp: WakeUp

        init(_ watcher: consuming PoolEventWatcher, _ wakeUp: WakeUp) {
            self.watcher = watcher
            self.wakeUp = wakeUp
        }

        func next() throws(StorageError) -> PoolEvent? {
            try watcher.next(wakeUp: wakeUp, deadline: nil)
        }
    }
}
