/// Watches pools and the volumes of running pools for changes, by whichever program.
///
/// The changes come from inotify(7) on the state folders and on the directories of running pools.
package struct PoolEventWatcher: ~Copyable, Sendable {
    private let store: PoolStore
    private let backends: BackendRegistry
    private let inotify: Inotify
    private let definitionsWatch: Int32
    private let runWatch: Int32
    private var directories: [Int32: WatchedDirectory] = [:]
    /// Running pools whose directory cannot be watched now, and is tried again.
    private var unwatched: Set<String> = []
    /// How many of the notes of each pool are known.
    private var notes: [String: Int] = [:]
    private var ready: [PoolEvent] = []

    private struct WatchedDirectory {
        let pool: String
        let backend: any PoolBackend
        /// The names of volumes: files that are being made have others.
        var volumes: Set<String>
    }

    /// How often a directory that could not be watched is tried again.
    private static let retryMilliseconds: Int32 = 1000

    /// Begins to watch; what happens from now on is an event.
    init(_ store: PoolStore, _ backends: BackendRegistry) throws(StorageError) {
        try store.makeFolders()
        let inotify = try Inotify()
        let definitionsWatch = try inotify.watch(store.watchedPaths.definitions)
        let runWatch = try inotify.watch(store.watchedPaths.run)
        let records = try store.records()
        let locks = try OpenFile(store.runPath, [.readOnly, .directory]).entryNames()
        self.store = store
        self.backends = backends
        self.inotify = inotify
        self.definitionsWatch = definitionsWatch
        self.runWatch = runWatch
        for pool in locks.compactMap({ $0?.withoutByteSuffix(".lock") }) { notes[pool] = readNotes(pool).count }
        for record in records where record.running != nil { watch(record.name) }
    }

    /// Waits for the next event; nil where none came in time, or where the bell rang.
    package mutating func next(
        wakeUp: WakeUp,
        deadline: ContinuousClock.Instant?
    ) throws(StorageError) -> PoolEvent? {
        while ready.isEmpty {
            var milliseconds = deadline.map { ($0 - .now).wholeMilliseconds } ?? -1
            if deadline != nil, milliseconds <= 0 { return nil }
            if !unwatched.isEmpty, milliseconds < 0 || milliseconds > Self.retryMilliseconds {
                milliseconds = Self.retryMilliseconds
            }
            let isWokenUp = try inotify.wait(wakeUp: wakeUp, milliseconds: milliseconds)
            for event in try inotify.events() { try handle(event) }
            if isWokenUp { return nil }
            retryUnwatched()
        }
        return ready.removeFirst()
    }

    private mutating func handle(_ event: Inotify.Event) throws(StorageError) {
        if event.change == .overflow { return watchAnew() }
        switch event.watch {
        case definitionsWatch:
            guard event.change != .directoryGone else { throw Self.gone(store.watchedPaths.definitions) }
            guard let pool = event.name?.withoutByteSuffix(".xml") else { return }
            if event.change == .appeared { ready.append(PoolEvent(pool: pool, change: .defined)) }
            if event.change == .vanished { ready.append(PoolEvent(pool: pool, change: .undefined)) }
        case runWatch:
            guard event.change != .directoryGone else { throw Self.gone(store.watchedPaths.run) }
            handleRun(event)
        default: handleVolume(event)
        }
    }

    private static func gone(_ folder: String) -> StorageError {
        StorageError(
            .notFound,
            "the state folder '\(folder)' is gone, and cannot be watched",
            context: StorageError.Context(path: folder)
        )
    }

    private mutating func handleRun(_ event: Inotify.Event) {
        if let pool = event.name?.withoutByteSuffix(".xml") {
            if event.change == .appeared {
                // First the watch: who hears of the start and lists the volumes misses none after it.
                unwatch(pool)
                watch(pool)
                ready.append(PoolEvent(pool: pool, change: .started))
            } else if event.change == .vanished {
                unwatch(pool)
                ready.append(PoolEvent(pool: pool, change: .stopped))
            }
        } else if let pool = event.name?.withoutByteSuffix(".lock"), event.change == .written {
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
        guard var directory = directories[event.watch] else { return }
        if event.change == .directoryGone {
            unwatch(directory.pool)
            unwatched.insert(directory.pool)
            ready.append(PoolEvent(pool: directory.pool, change: .eventsLost))
            return
        }
        guard let name = event.name, directory.backend.isVolumeName(name) else { return }
        var change: PoolEvent.Change?
        switch event.change {
        case .appeared:
            // A FIFO, or a link that leads out, is no volume.
            if (try? directory.backend.volume(named: name)) != nil {
                change = directory.volumes.insert(name).inserted ? .volumeCreated : .volumeChanged
            }
        case .vanished: if directory.volumes.remove(name) != nil { change = .volumeDeleted }
        case .written, .attributes: if directory.volumes.contains(name) { change = .volumeChanged }
        case .directoryGone, .overflow: break
        }
        directories[event.watch] = directory
        if let change { ready.append(PoolEvent(pool: directory.pool, volume: name, change: change)) }
    }

    // MARK: Directories of running pools

    private mutating func watch(_ pool: String) {
        guard let definition = store.record(named: pool)?.running,
            let backend = try? backends.backend(for: definition), let path = backend.watchedDirectory
        else { return }
        guard let watch = try? inotify.watch(path) else {
            unwatched.insert(pool)
            return
        }
        let volumes = Set((try? backend.volumes().map(\.name)) ?? [])
        directories[watch] = WatchedDirectory(pool: pool, backend: backend, volumes: volumes)
    }

    private mutating func unwatch(_ pool: String) {
        unwatched.remove(pool)
        for (watch, directory) in directories where directory.pool == pool {
            inotify.unwatch(watch)
            directories[watch] = nil
        }
    }

    private mutating func retryUnwatched() {
        for pool in unwatched {
            unwatched.remove(pool)
            watch(pool)
            if !unwatched.contains(pool) { ready.append(PoolEvent(pool: pool, change: .eventsLost)) }
        }
    }

    /// The kernel's queue was full: nobody knows what is missing.
    private mutating func watchAnew() {
        for pool in Set(directories.values.map(\.pool)) { unwatch(pool) }
        for record in (try? store.records()) ?? [] {
            notes[record.name] = readNotes(record.name).count
            if record.running != nil { watch(record.name) }
            ready.append(PoolEvent(pool: record.name, change: .eventsLost))
        }
    }

    private func readNotes(_ pool: String) -> [String] {
        let path = "\(store.runPath)/\(PoolStore.lockName(pool))"
        guard let bytes = try? OpenFile(path, [.readOnly, .nonBlocking]).readAll(limit: 1 << 20) else { return [] }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
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
