/// A change that was looked at and not made: what `--dry-run` prints.
///
/// `StorageManager/apply(_:)` makes it, where the storage is still what the plan found.
public struct Plan: Hashable, Sendable, Codable, CustomStringConvertible {
    /// What is to change.
    public let change: Change
    /// The steps, and what they rely on.
    public let outline: PlanOutline

    init(_ change: Change, _ outline: PlanOutline) {
        self.change = change
        self.outline = outline
    }

    /// The steps, one a line.
    public var description: String {
        outline.steps.map(\.description).joined(separator: "\n")
    }
}
