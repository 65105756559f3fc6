/// Long work that has begun: its progress, its result, and a way to stop it.
///
/// It goes on whether or not somebody awaits it, on threads that serve the transfers of this pool alone.
public final class Transfer<Success: Sendable>: Sendable {
    private let watchers = TransferWatchers()
    private let work: Task<Result<Success, StorageError>, Never>

    init(
        on threads: BlockingThreads,
        _ body: @escaping @Sendable (ProgressMeter, Cancellation) throws(StorageError) -> Success
    ) {
        let watchers = watchers
        work = Task {
            defer { watchers.finish() }
            do throws(StorageError) {
                let value = try await threads.run { cancellation throws(StorageError) in
                    let progress = ProgressMeter { watchers.report($0) }
                    defer { watchers.report(progress.final) }
                    return try body(progress, cancellation)
                }
                return .success(value)
            } catch {
                return .failure(error)
            }
        }
    }

    /// The progress, newest first come: who is slow misses what is old.
    ///
    /// It ends with the work, and its last value is how far the work came. It may be followed by several.
    public var progress: some AsyncSequence<TransferProgress, Never> & Sendable { watchers.stream() }

    /// Asks the work to stop at its next step; ``value`` throws once it has.
    public func cancel() {
        work.cancel()
    }

    /// The result, once the work is done; cancelling the task that awaits it cancels the work.
    ///
    /// - Throws: `StorageError` with code `cancelled`, or with what the work met. It has ended then, and has undone what it
    ///   could.
    public var value: Success {
        get async throws(StorageError) {
            try await withTaskCancellationHandler {
                await work.value
            } onCancel: {
                cancel()
            }
            .get()
        }
    }
}
