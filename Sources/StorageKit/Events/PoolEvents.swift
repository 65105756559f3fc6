/// The events of pools and volumes as they happen, by this program and by others.
///
/// The watching begins with the value and ends when it and its iterators are gone, or with the iterating task's
/// cancellation. Each event goes to one iteration only. Who falls far behind finds
/// ``PoolEvent/Change/eventsLost`` in place of the oldest ones. The system merges equal changes that follow each other at
/// once; a volume that is made shows as ``PoolEvent/Change/volumeCreated`` and perhaps as changed after it.
public struct PoolEvents: AsyncSequence, Sendable {
    /// An event.
    public typealias Element = PoolEvent
    /// A failure of the watching itself.
    public typealias Failure = StorageError

    private let pump: PoolEventPump

    /// - Parameter pool: The one pool whose events are wanted; nil for all.
    init(_ watcher: consuming PoolEventWatcher, of pool: String?) throws(StorageError) {
        pump = try PoolEventPump(watcher, of: pool)
    }

    /// Begins to iterate.
    public func makeAsyncIterator() -> Iterator {
        Iterator(pump: pump)
    }

    /// Waits for one event after the other.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let pump: PoolEventPump

        /// Waits for the next event; nil where the task is cancelled.
        public mutating func next() async throws(StorageError) -> PoolEvent? {
            try await pump.next()
        }

        /// Waits for the next event; nil where the task is cancelled.
        public mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(StorageError) -> PoolEvent? {
            try await pump.next()
        }
    }
}
