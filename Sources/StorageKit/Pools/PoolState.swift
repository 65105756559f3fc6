/// Whether a pool runs.
public enum PoolState: String, Hashable, Sendable, Codable {
    /// It is defined and does not run.
    case inactive
    /// It runs.
    case running
    /// Its file in the state folders cannot be read.
    case damaged
}
