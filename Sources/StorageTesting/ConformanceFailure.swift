/// What a backend does otherwise than its protocols say.
public struct ConformanceFailure: Error, Sendable, CustomStringConvertible {
    /// What was expected, and what was seen instead.
    public let description: String
}
