/// Watches pools and the volumes of running pools for changes, by whichever program.
///
/// The changes come from inotify(7) on the state folders and on the directories of running pools.
package struct PoolEventWatcher: ~Copyable, Sendable {
    private let store: PoolStore
    private let backend: @Sendable (PoolDefinition) -> (any PoolBackend)?
    private let inotify: Inotify
    private let definitionsWatch: Int32
    private let runWatch: Int32
    private var directories: [Int32: WatchedDirectory] = [:]
    /// How much of the notes of each pool is known.
    private var notes: [String: Int] = [:]
    private var running: Set<String> = []
    private var ready: [PoolEvent] = []

    private struct WatchedDirectory {
        let pool: String
        let backend: any PoolBackend
    }

    /// Begins to watch; what happens from now on is an event.
    init(
        _ store: PoolStore,
        backend: @escaping @Sendable (PoolDefinition) -> (any PoolBackend)?
    ) throws(StorageError) {
        try store.makeFolders()
        let inotify = try Inotify()
        let definitionsWatch = try inotify.watch(store.watchedPaths.definitions)
        let runWatch = try inotify.watch(store.watchedPaths.run)
        let records = try store.records()
        self.store = store
        self.backend = backend
        self.inotify = inotify
        self.definitionsWatch = definitionsWatch
        self.runWatch = runWatch
        for record in records {
            notes[record.name] = readNotes(record.name).count
            if record.running != nil { watch(record.name) }
        }
    }

    /// Waits for the next event; nil where none came in time, or where the bell rang.
    package mutating func next(
        wakeUp: WakeUp,
        deadline: ContinuousClock.Instant?
    ) throws(StorageError) -> PoolEvent? {
        while ready.isEmpty {
            let milliseconds = deadline.map { ($0 - .now).wholeMilliseconds } ?? -1
            if deadline != nil, milliseconds <= 0 { return nil }
            let isWokenUp = try inotify.wait(wakeUp: wakeUp, milliseconds: milliseconds)
            for event in try inotify.events() { handle(event) }
            if isWokenUp { return nil }
        }
        return ready.removeFirst()
    }

    private mutating func handle(_ event: Inotify.Event) {
        switch event.watch {
        case definitionsWatch:
            guard let pool = event.name?.withoutSuffix(".xml") else { return }
            if event.change == .appeared { ready.append(PoolEvent(pool: pool, change: .defined)) }
            if event.change == .vanished { ready.append(PoolEvent(pool: pool, change: .undefined)) }
        case runWatch: handleRun(event)
        default: handleVolume(event)
        }
        if event.change == .overflow {
            for pool in running.sorted() { ready.append(PoolEvent(pool: pool, change: .eventsLost)) }
        }
    }

    private mutating func handleRun(_ event: Inotify.Event) {
        if let pool = event.name?.withoutSuffix(".xml") {
            if event.change == .appeared {
                ready.append(PoolEvent(pool: pool, change: .started))
                watch(pool)
            } else if event.change == .vanished {
                ready.append(PoolEvent(pool: pool, change: .stopped))
                unwatch(pool)
            }
        } else if let pool = event.name?.withoutSuffix(".lock"), event.change == .written {
            let lines = readNotes(pool)
            let known = notes[pool] ?? 0
            notes[pool] = lines.count
            // Fewer than before: the notes were begun anew.
            for line in lines.count < known ? lines : Array(lines[known...]) {
                if let change = PoolEvent.Change(rawValue: line) { ready.append(PoolEvent(pool: pool, change: change)) }
            }
        }
    }

    private mutating func handleVolume(_ event: Inotify.Event) {
        guard let directory = directories[event.watch] else { return }
        if event.change == .directoryGone {
            directories[event.watch] = nil
            ready.append(PoolEvent(pool: directory.pool, change: .eventsLost))
            return
        }
        guard let name = event.name, directory.backend.isVolumeName(name) else { return }
        let change: PoolEvent.Change
        switch event.change {
        case .appeared: change = .volumeCreated
        case .vanished: change = .volumeDeleted
        case .written, .attributes: change = .volumeChanged
        case .directoryGone, .overflow: return
        }
        ready.append(PoolEvent(pool: directory.pool, volume: name, change: change))
    }

    private mutating func watch(_ pool: String) {
        running.insert(pool)
        guard let definition = try? store.record(named: pool)?.running, let backend = backend(definition),
            let path = backend.watchedDirectory, let watch = try? inotify.watch(path)
        else { return }
        directories[watch] = WatchedDirectory(pool: pool, backend: backend)
    }

    private mutating func unwatch(_ pool: String) {
        running.remove(pool)
        for (watch, directory) in directories where directory.pool == pool {
            inotify.unwatch(watch)
            directories[watch] = nil
        }
    }

    private func readNotes(_ pool: String) -> [String] {
        let path = "\(store.runPath)/\(PoolStore.lockName(pool))"
        guard let bytes = try? OpenFile(path, .readOnly).readAll(limit: 1 << 20) else { return [] }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }
}

extension String {
    fileprivate func withoutSuffix(_ suffix: String) -> String? {
        hasSuffix(suffix) ? String(dropLast(suffix.count)) : nil
    }
}

extension Duration {
    /// Rounded up, so that a wait does not end before its time; at most what poll(2) takes.
    fileprivate var wholeMilliseconds: Int32 {
        let (seconds, attoseconds) = components
        let milliseconds =
            seconds.multipliedReportingOverflow(by: 1000).partialValue
            + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
        return Int32(clamping: milliseconds)
    }
}
