internal import Synchronization

/// Carries events from the thread that watches to the task that waits for them.
final class PoolEventPump: Sendable {
    /// As many as are kept for a task that does not ask for them.
    private static let maximumQueueLength = 10_000

    private typealias Waiter = CheckedContinuation<Result<PoolEvent?, StorageError>, Never>

    private struct State {
        var queue: [PoolEvent] = []
        var waiter: Waiter?
        /// How the watching ended, once it has.
        var end: Result<PoolEvent?, StorageError>?
    }

    /// What the thread shares with the pump, so that the thread does not keep the pump alive.
    private final class Shared: Sendable {
        let state: Mutex<State> = Mutex(State())

        func deliver(_ event: PoolEvent) {
            let waiter = state.withLock { state -> Waiter? in
                if let waiter = state.waiter {
                    state.waiter = nil
                    return waiter
                }
                if state.queue.count == PoolEventPump.maximumQueueLength {
                    state.queue.removeFirst(PoolEventPump.maximumQueueLength / 2)
                    state.queue.insert(PoolEvent(pool: event.pool, change: .eventsLost), at: 0)
                }
                state.queue.append(event)
                return nil
            }
            waiter?.resume(returning: .success(event))
        }

        func end(_ result: Result<PoolEvent?, StorageError>) {
            let waiter = state.withLock { state in
                state.end = result
                defer { state.waiter = nil }
                return state.waiter
            }
            waiter?.resume(returning: result)
        }
    }

    /// The watcher, in the hands of its one thread.
    // SAFETY: only the thread that the pump's init starts calls next().
    private final class Watching: @unchecked Sendable {
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

    private let shared = Shared()
    private let wakeUp: WakeUp

    init(_ watcher: consuming PoolEventWatcher, of pool: String?) throws(StorageError) {
        wakeUp = try WakeUp()
        let watching = Watching(watcher, wakeUp)
        let shared = shared
        try startThread {
            do throws(StorageError) {
                while let event = try watching.next() {
                    if pool == nil || event.pool == pool { shared.deliver(event) }
                }
                shared.end(.success(nil))
            } catch {
                shared.end(.failure(error))
            }
        }
    }

    deinit {
        wakeUp.ring()
    }

    func next() async throws(StorageError) -> PoolEvent? {
        let shared = shared
        let result: Result<PoolEvent?, StorageError> = await withTaskCancellationHandler {
            await withCheckedContinuation { (waiter: Waiter) in
                let result = shared.state.withLock { state -> Result<PoolEvent?, StorageError>? in
                    if Task.isCancelled { return .success(nil) }
                    if !state.queue.isEmpty { return .success(state.queue.removeFirst()) }
                    if let end = state.end { return end }
                    // Two iterations at once: the one that waited gives way.
                    let other = state.waiter
                    state.waiter = waiter
                    other?.resume(returning: .success(nil))
                    return nil
                }
                if let result { waiter.resume(returning: result) }
            }
        } onCancel: {
            let waiter = shared.state.withLock { state in
                defer { state.waiter = nil }
                return state.waiter
            }
            waiter?.resume(returning: .success(nil))
        }
        return try result.get()
    }
}
