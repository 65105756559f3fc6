/// A new size for a volume.
public struct VolumeSize: Hashable, Sendable, Codable {
    /// What the amount is measured from.
    public enum Reference: String, Hashable, Sendable, Codable {
        /// From nothing: the amount is the new capacity.
        case absolute
        /// From the capacity that the volume has when it is changed: the amount is added.
        case added
        /// From the capacity that the volume has when it is changed: the amount is taken away.
        case removed
    }

    /// The size that a guest is to see, or the difference.
    public var amount: ByteCount
    /// What the amount is measured from.
    public var reference: Reference
    /// Whether storage is set aside for what is added.
    public var allocates: Bool
    /// Whether the volume may become smaller, which destroys the data behind the new end.
    public var allowsShrinking: Bool

    /// Makes a new size.
    public init(
        _ amount: ByteCount,
        reference: Reference = .absolute,
        allocates: Bool = false,
        allowsShrinking: Bool = false
    ) {
        self.amount = amount
        self.reference = reference
        self.allocates = allocates
        self.allowsShrinking = allowsShrinking
    }

    /// The new capacity of a volume, by the rules that hold for all backends.
    ///
    /// - Throws: `StorageError` with code `invalidArgument` where the volume would lose its end without leave, or would be
    ///   larger than a file can be.
    public func capacity(of volume: Volume) throws(StorageError) -> ByteCount {
        let old = volume.capacity
        let new: ByteCount
        switch reference {
        case .absolute: new = amount
        case .added: new = old.adding(amount) ?? ByteCount(.max)
        case .removed:
            guard amount <= old else {
                throw StorageError(
                    .invalidArgument,
                    "volume '\(volume.name)' has \(old.bytes) bytes; \(amount.bytes) cannot be taken away"
                )
            }
            new = old.subtractingClamped(amount)
        }
        guard new <= .maximum else {
            throw StorageError(
                .invalidArgument,
                "volume '\(volume.name)' would be larger than the largest size of a file, \(ByteCount.maximum.bytes) bytes"
            )
        }
        if new < old, !allowsShrinking {
            throw StorageError(
                .invalidArgument,
                "volume '\(volume.name)' has \(old) (\(old.bytes) bytes); \(new) (\(new.bytes) bytes) would cut off its end",
                hint: "allow shrinking if the data there is not needed"
            )
        }
        return new
    }
}
