internal import CLinux
internal import Synchronization

/// Threads for calls that block, apart from Swift's cooperative threads, which must never wait.
///
/// A thread is made when work finds none idle, up to the limit; an idle one ends after a few seconds.
package final class BlockingThreads: Sendable {
    private struct State {
        var waiting: [@Sendable () -> Void] = []
        var threads = 0
        var idle = 0
    }

    private let limit: Int
    private let state: Mutex<State> = Mutex(State())
    private let available = Semaphore()

    package init(limit: Int) {
        self.limit = limit
    }

    /// Runs a blocking call on one of the threads, with a flag that is set when the task is cancelled; what has not begun
    /// then is not begun.
    package func run<Result: Sendable>(
        _ body: @escaping @Sendable (Cancellation) throws(StorageError) -> Result
    ) async throws(StorageError) -> Result {
        let job = Job(body)
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                guard job.wait(continuation) else { return }
                do throws(StorageError) {
                    try enqueue { job.run() }
                } catch {
                    job.refuse(error)
                }
            }
        } onCancel: {
            job.cancel()
        }
        return try outcome.get()
    }

    private func enqueue(_ work: @escaping @Sendable () -> Void) throws(StorageError) {
        let startsThread = state.withLock { state in
            state.waiting.append(work)
            guard state.idle < state.waiting.count, state.threads < limit else { return false }
            state.threads += 1
            return true
        }
        guard startsThread else { return available.signal() }
        do throws(StorageError) {
            try startThread { self.serve() }
        } catch {
            let isAlone = state.withLock { state in
                state.threads -= 1
                guard state.threads == 0 else { return false }
                state.waiting.removeLast()
                return true
            }
            // Where there are other threads, one of them will come to it.
            if isAlone { throw error }
        }
    }

    private func serve() {
        while true {
            let work = state.withLock { state -> (@Sendable () -> Void)? in
                if !state.waiting.isEmpty { return state.waiting.removeFirst() }
                state.idle += 1
                return nil
            }
            if let work {
                work()
                continue
            }
            let signalled = available.wait(seconds: 5)
            let ends = state.withLock { state in
                state.idle -= 1
                guard !signalled, state.waiting.isEmpty else { return false }
                state.threads -= 1
                return true
            }
            if ends { return }
        }
    }
}

/// A call that waits for a thread, runs on it, and answers its task once.
private final class Job<Success: Sendable>: Sendable {
    typealias Outcome = Result<Success, StorageError>
    typealias Waiter = CheckedContinuation<Outcome, Never>

    private enum State {
        case new
        case waiting(Waiter)
        case begun
    }

    private let body: @Sendable (Cancellation) throws(StorageError) -> Success
    private let cancellation = Cancellation()
    private let state: Mutex<State> = Mutex(.new)

    init(_ body: @escaping @Sendable (Cancellation) throws(StorageError) -> Success) {
        self.body = body
    }

    /// False where the task was cancelled already, and has its answer.
    func wait(_ waiter: Waiter) -> Bool {
        let isNew = state.withLock { state in
            guard case .new = state else { return false }
            state = .waiting(waiter)
            return true
        }
        if !isNew { waiter.resume(returning: Self.cancelled) }
        return isNew
    }

    func run() {
        guard let waiter = begin() else { return }
        do throws(StorageError) {
            waiter.resume(returning: .success(try body(cancellation)))
        } catch {
            waiter.resume(returning: .failure(error))
        }
    }

    func cancel() {
        cancellation.cancel()
        begin()?.resume(returning: Self.cancelled)
    }

    func refuse(_ error: StorageError) {
        begin()?.resume(returning: .failure(error))
    }

    private func begin() -> Waiter? {
        state.withLock { state in
            defer { state = .begun }
            guard case .waiting(let waiter) = state else { return nil }
            return waiter
        }
    }

    private static var cancelled: Outcome { .failure(Cancellation.error) }
}

/// Starts a detached thread.
///
/// The corresponding C function is `pthread_create`.
///
/// - Throws: `StorageError` where the system has no thread left.
package func startThread(_ body: @escaping @Sendable () -> Void) throws(StorageError) {
    final class Start: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var attributes = pthread_attr_t()
    unsafe pthread_attr_init(&attributes)
    unsafe pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    defer { unsafe pthread_attr_destroy(&attributes) }
    var thread = pthread_t()
    // SAFETY: retained here, and released once by the thread, or below where there is none.
    let start = unsafe Unmanaged.passRetained(Start(body)).toOpaque()
    let result = unsafe pthread_create(
        &thread,
        &attributes,
        { start in
            if let start = unsafe start {
                unsafe Unmanaged<Start>.fromOpaque(start).takeRetainedValue().body()
            }
            return nil
        },
        start
    )
    guard result == 0 else {
        unsafe Unmanaged<Start>.fromOpaque(start).release()
        throw StorageError(errno: result, action: "start a thread", path: nil, operation: "pthread_create")
    }
}
