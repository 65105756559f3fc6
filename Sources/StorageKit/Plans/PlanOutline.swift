/// What a change would do, and what it found the storage to be.
public struct PlanOutline: Hashable, Sendable, Codable {
    /// The steps in their order.
    public var steps: [Step]
    /// What the steps rely on.
    ///
    /// A change whose storage is no longer so is refused as stale.
    public var assumptions: [Assumption]

    /// Makes an outline.
    public init(steps: [Step], assumptions: [Assumption] = []) {
        self.steps = steps
        self.assumptions = assumptions
    }

    /// One step: what is done to which object.
    public struct Step: Hashable, Sendable, Codable, CustomStringConvertible {
        /// The verb: `create file`.
        public var action: String
        /// The file, directory or device.
        public var object: String
        /// Sizes, modes and the like.
        public var detail: String?

        /// Makes a step.
        public init(_ action: String, _ object: String, detail: String? = nil) {
            self.action = action
            self.object = object
            self.detail = detail
        }

        /// The step as one line: `create file /images/a: 10.00 GiB, sparse`.
        public var description: String {
            "\(action) \(object)" + (detail.map { ": \($0)" } ?? "")
        }
    }

    /// What a change relies on.
    public enum Assumption: Hashable, Sendable, Codable {
        /// Nothing has this path.
        case absent(path: String)
        /// This file has this path, and this size where the size matters. File systems give the number of a removed file to
        /// the next one: the moment of its making tells them apart.
        case present(path: String, identity: FileIdentity, made: Timestamp?, size: ByteCount?)
        /// This document, or none, is in the state.
        case state(path: String, definition: PoolDefinition?)
    }

    /// Refuses to go on where the storage is not as this outline assumed.
    ///
    /// - Throws: `StorageError` with code `stalePlan`.
    public func checkUnchanged(_ current: PlanOutline, object: String) throws(StorageError) {
        guard current == self else {
            throw StorageError(
                .stalePlan,
                "\(object) has changed since the plan was made",
                hint: "nothing was done; make the plan again"
            )
        }
    }
}

extension PlanOutline.Assumption {
    /// A directory, whose content may change meanwhile.
    static func directory(_ path: String, _ status: FileStatus) -> Self {
        .present(path: path, identity: status.identity, made: status.born, size: nil)
    }

    /// A file; where the file system keeps no time of birth, each change of the file makes a plan stale.
    static func file(_ path: String, _ status: FileStatus, size: ByteCount? = nil) -> Self {
        .present(path: path, identity: status.identity, made: status.born ?? status.changed, size: size)
    }
}
