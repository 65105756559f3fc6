import ArgumentParser
import StorageKit

struct PoolEventList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pool-event",
        abstract: "Wait for events of pools and volumes, by whichever program.",
        usage: "storlib pool-event [--pool POOL] [--event TYPE] [--loop] [--timeout SECONDS] [--timestamp] [<options>]",
        discussion: """
            It ends with the first event, or with --loop at the timeout. With --json each event is one line.

            Example: storlib pool-event --loop --timeout 60
            """
    )

    /// What is waited for; the raw value is its name.
    enum EventType: String, CaseIterable, ExpressibleByArgument {
        case lifecycle
        case refresh
        case volume

        init(_ change: PoolEvent.Change) {
            switch change {
            case .defined, .undefined, .started, .stopped, .built, .deleted: self = .lifecycle
            case .refreshed, .eventsLost: self = .refresh
            case .volumeCreated, .volumeDeleted, .volumeChanged: self = .volume
            }
        }
    }

    @Option(help: ArgumentHelp("Events of this pool only.", valueName: "pool"))
    var pool: String?
    @Option(help: ArgumentHelp("Events of this type only.", valueName: "type"))
    var event: EventType?
    @Flag(help: "Go on after the first event.")
    var loop = false
    @Option(help: ArgumentHelp("End after this time.", valueName: "seconds"))
    var timeout: Double?
    @Flag(help: "Print the types of events.")
    var list = false
    @Flag(help: "Print the time of each event.")
    var timestamp = false
    @OptionGroup var options: Options

    func validate() throws {
        if let timeout, !(timeout > 0 && timeout <= 1_000_000_000) {
            throw ValidationError("--timeout wants a number of seconds above 0")
        }
    }

    func run() throws {
        guard !list else {
            if options.json { return try Report.json(EventType.allCases.map(\.rawValue)) }
            for type in EventType.allCases { Report.line(type.rawValue) }
            return
        }
        let manager = try options.manager()
        let name = try pool.map { try manager.pool(nameOrUUID: $0).name }
        let deadline = timeout.map { ContinuousClock.now + .seconds($0) }
        var watcher = try manager.watcher()
        let wakeUp = try WakeUp()
        var count = 0
        while let event = try watcher.next(wakeUp: wakeUp, deadline: deadline) {
            guard isWanted(event, pool: name) else { continue }
            try print(event)
            count += 1
            if !loop { break }
        }
        let isTimeout = count == 0 || loop
        if !options.json { Report.line("\(isTimeout ? "event loop timed out\n" : "")events received: \(count)") }
        if count == 0 { throw ExitCode.failure }
    }

    private func isWanted(_ event: PoolEvent, pool: String?) -> Bool {
        (pool == nil || event.pool == pool) && (self.event == nil || self.event == EventType(event.change))
    }

    private func print(_ event: PoolEvent) throws {
        if options.json { return try Report.jsonLine(event) }
        let time = timestamp ? "\(Timestamp.now.utcDescription): " : ""
        let type = EventType(event.change)
        let line = "\(time)event '\(type.rawValue)' for storage pool \(event.pool)"
        if event.change == .refreshed { return Report.line(line) }
        let text = event.volume.map { "\($0) \(Self.word(event.change))" } ?? Self.word(event.change).capitalizedFirst
        Report.line("\(line): \(text)")
    }

    private static func word(_ change: PoolEvent.Change) -> String {
        switch change {
        case .defined: "defined"
        case .undefined: "undefined"
        case .started: "started"
        case .stopped: "stopped"
        // virsh's word for a pool whose storage was built.
        case .built, .volumeCreated: "created"
        case .deleted, .volumeDeleted: "deleted"
        case .refreshed: "refreshed"
        case .volumeChanged: "changed"
        case .eventsLost: "events lost"
        }
    }
}

extension String {
    fileprivate var capitalizedFirst: String {
        prefix(1).uppercased() + dropFirst()
    }
}
