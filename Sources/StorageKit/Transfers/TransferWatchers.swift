internal import Synchronization

/// Those who follow the progress of one transfer; each sees the newest, and at last how it ended.
final class TransferWatchers: Sendable {
    private struct State {
        var latest = TransferProgress()
        var isFinished = false
        var streams: [Int: AsyncStream<TransferProgress>.Continuation] = [:]
        var nextKey = 0
    }

    private let state: Mutex<State> = Mutex(State())

    func report(_ progress: TransferProgress) {
        state.withLock { state in
            state.latest = progress
            for stream in state.streams.values { stream.yield(progress) }
        }
    }

    func finish() {
        let streams = state.withLock { state in
            state.isFinished = true
            defer { state.streams = [:] }
            return state.streams.values
        }
        for stream in streams { stream.finish() }
    }

    func stream() -> AsyncStream<TransferProgress> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: TransferProgress.self,
            bufferingPolicy: .bufferingNewest(1)
        )
        let key = state.withLock { state -> Int? in
            continuation.yield(state.latest)
            guard !state.isFinished else { return nil }
            let key = state.nextKey
            state.nextKey += 1
            state.streams[key] = continuation
            return key
        }
        if let key {
            continuation.onTermination = { [weak self] _ in
                self?.state.withLock { _ = $0.streams.removeValue(forKey: key) }
            }
        } else {
            continuation.finish()
        }
        return stream
    }
}
