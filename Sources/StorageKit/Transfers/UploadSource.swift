/// Where the bytes of an upload come from.
public enum UploadSource: Sendable {
    /// A file or a device, by its path.
    case file(String)
    /// What the program has open, from its position on: a file, a pipe or a socket. The name is for errors.
    case descriptor(Int32, name: String)
    /// What a closure gives, one array after the other, until it gives nil; it may block.
    case chunks(@Sendable () throws -> [UInt8]?)
}
