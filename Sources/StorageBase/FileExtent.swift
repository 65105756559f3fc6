/// A run of a file's blocks (struct fiemap_extent, linux/fiemap.h).
package struct FileExtent: Sendable, Hashable {
    package let offset: UInt64
    package let length: UInt64
    /// Whether other files have these blocks too.
    package let isShared: Bool
    /// Whether the blocks hold the content in another form: compressed, encrypted, or packed among the file system's own.
    package let isEncoded: Bool
    /// Whether it is the file's last.
    package let isLast: Bool

    package var end: UInt64 { offset.addingReportingOverflow(length).partialValue }
}
