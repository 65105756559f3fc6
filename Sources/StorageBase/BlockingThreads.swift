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

    /// Runs a blocking call on one of the threads, with a flag that is set when the task is cancelled.
    package func run<Result: Sendable>(
        _ body: @escaping @Sendable (Cancellation) throws(StorageError) -> Result
    ) async throws(StorageError) -> Result {
        let cancellation = Cancellation()
        let outcome: Swift.Result<Result, StorageError> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                enqueue {
                    do throws(StorageError) {
                        try cancellation.check()
                        continuation.resume(returning: .success(try body(cancellation)))
                    } catch {
                        continuation.resume(returning: .failure(error))
                    }
                }
            }
        } onCancel: {
            cancellation.cancel()
        }
        return try outcome.get()
    }

    private func enqueue(_ work: @escaping @Sendable () -> Void) {
        let startsThread = state.withLock { state in
            state.waiting.append(work)
            guard state.idle < state.waiting.count, state.threads < limit else { return false }
            state.threads += 1
            return true
        }
        if startsThread {
            startThread { self.serve() }
        } else {
            available.signal()
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

/// Starts a detached thread.
///
/// The corresponding C function is `pthread_create`.
package func startThread(_ body: @escaping @Sendable () -> Void) {
    final class Start: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var attributes = pthread_attr_t()
    unsafe pthread_attr_init(&attributes)
    unsafe pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    defer { unsafe pthread_attr_destroy(&attributes) }
    var thread = pthread_t()
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
    precondition(result == 0, "the system has no thread left (pthread_create: \(result))")
}
