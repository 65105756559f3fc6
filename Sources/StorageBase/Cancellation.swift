internal import Synchronization

/// A flag that long work looks at between its steps.
public final class Cancellation: Sendable {
    private let requested = Atomic(false)

    /// Makes a flag that is not set.
    public init() {}

    /// Asks the work to stop at its next step and to undo what it has begun.
    public func cancel() {
        requested.store(true, ordering: .relaxed)
    }

    /// Throws where the work was asked to stop.
    ///
    /// - Throws: `StorageError` with code ``StorageError/Code/cancelled``.
    public func check() throws(StorageError) {
        if requested.load(ordering: .relaxed) {
            throw Self.error
        }
    }

    static var error: StorageError { StorageError(.cancelled, "the work was cancelled, and nothing is left of it") }
}
