/// Something that happened to a pool or to one of its volumes, by this program or by another.
public struct PoolEvent: Hashable, Sendable, Codable {
    /// The pool's name.
    public let pool: String
    /// The volume's name, for a change of a volume.
    public let volume: String?
    /// What happened.
    public let change: Change

    init(pool: String, volume: String? = nil, change: Change) {
        self.pool = pool
        self.volume = volume
        self.change = change
    }

    /// What happened.
    public enum Change: String, Hashable, Sendable, Codable, CaseIterable {
        /// The pool was defined, or defined anew.
        case defined
        /// The pool's definition was removed.
        case undefined
        /// The pool was started.
        case started
        /// The pool was stopped.
        case stopped
        /// The pool's storage was built.
        case built
        /// The pool's storage was deleted.
        case deleted
        /// The pool was refreshed.
        case refreshed
        /// A volume appeared.
        case volumeCreated
        /// A volume vanished.
        case volumeDeleted
        /// A volume was written to, or its attributes changed.
        case volumeChanged
        /// The system lost events: what is known of this pool may be old.
        case eventsLost
    }
}
