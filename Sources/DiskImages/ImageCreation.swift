package import StorageBase

/// What an image that is made is to be.
package struct ImageCreation: Sendable {
    package typealias Preallocation = ImagePreallocation

    package var format: ImageFormat
    /// The name of the image's file, from which those of its further files follow.
    package var name: String
    /// The size that a guest sees, in bytes.
    package var virtualSize: UInt64
    package var preallocation: Preallocation
    /// The variety of the format, in its own words; nil is the usual one.
    package var subformat: String?
    /// The unit in which the format allocates, in bytes; nil is the usual one.
    package var clusterSize: UInt64?
    /// The version of qcow2: `0.10` or `1.1`; nil is the newer one.
    package var compatibility: String?
    package var hasLazyRefcounts: Bool
    package var hasExtendedL2: Bool
    package var backing: ImageDescription.Backing?
    /// The backing file itself, open for reading, for the formats that note the identity of its content.
    package var backingFile: ImageFile?
    /// How clusters are compressed; nil where they are not, or as the format does.
    package var compression: Codec?

    package init(format: ImageFormat, name: String, virtualSize: UInt64) {
        self.format = format
        self.name = name
        self.virtualSize = virtualSize
        preallocation = .off
        hasLazyRefcounts = false
        hasExtendedL2 = false
    }

    /// The error for an option that the format does not have.
    package func unsupported(_ option: String) -> StorageError {
        StorageError(.notSupported, "an image of format '\(format)' has no \(option)")
    }

    /// The error for a size that the format cannot have.
    package func tooLarge(limit: UInt64, _ reason: String) -> StorageError {
        StorageError(
            .invalidArgument,
            "an image of format '\(format)' cannot have \(virtualSize) bytes: at most \(limit), \(reason)"
        )
    }

    /// Refuses the options of other formats.
    ///
    /// - Parameters:
    ///   - preallocations: Those that the format has.
    ///   - subformats: Those that the format has.
    package func refuseOptions(
        preallocations: Set<Preallocation> = [.off],
        subformats: [String] = [],
        clusterSize: Bool = false,
        backing: Bool = false,
        compression: Bool = false,
        qcow2: Bool = false
    ) throws(StorageError) {
        if !preallocations.contains(preallocation) { throw unsupported("preallocation '\(preallocation.rawValue)'") }
        if let subformat, !subformats.contains(subformat) {
            throw StorageError(
                .invalidArgument,
                "an image of format '\(format)' has no subformat '\(subformat.printable)'",
                hint: subformats.isEmpty ? nil : "it has \(subformats.joined(separator: ", "))"
            )
        }
        if self.clusterSize != nil, !clusterSize { throw unsupported("cluster size that can be chosen") }
        if self.backing != nil, !backing { throw unsupported("backing file") }
        if self.compression != nil {
            guard compression else { throw unsupported("compressed clusters") }
            guard preallocation == .off else { throw unsupported("preallocation beside compressed clusters") }
        }
        guard !qcow2 else { return }
        if compatibility != nil { throw unsupported("compatibility level") }
        if hasLazyRefcounts { throw unsupported("lazy reference counts") }
        if hasExtendedL2 { throw unsupported("extended L2 entries") }
    }
}
