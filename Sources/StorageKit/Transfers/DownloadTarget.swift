/// Where the bytes of a download go.
public enum DownloadTarget: Sendable {
    /// A file, by its path; it appears whole or not at all, and one that is there is replaced. A device or a pipe is written to.
    case file(String)
    /// What the program has open, from its position on. The name is for errors.
    case descriptor(Int32, name: String)
    /// A closure that takes one array after the other; it may block.
    case chunks(@Sendable ([UInt8]) throws -> Void)
}
