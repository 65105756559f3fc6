/// What came of starting a pool that is marked for it.
public struct PoolStart: Hashable, Sendable, Codable {
    /// The pool's name.
    public let pool: String
    /// Why it could not be started; nil where it runs.
    public let problem: String?

    /// Makes an outcome.
    public init(pool: String, problem: String?) {
        self.pool = pool
        self.problem = problem
    }
}
