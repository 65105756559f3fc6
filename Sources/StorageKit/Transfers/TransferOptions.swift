/// Which part of a volume an upload or a download is of, and how.
public struct TransferOptions: Hashable, Sendable, Codable {
    /// The first byte of the volume that is written or read.
    public var offset: ByteCount
    /// The most bytes that are transferred; nil is all there are.
    public var length: ByteCount?
    /// Whether what is a hole in the one becomes a hole in the other, in place of zeros.
    public var isSparse: Bool

    /// Makes options; without arguments, of everything.
    public init(offset: ByteCount = .zero, length: ByteCount? = nil, isSparse: Bool = false) {
        self.offset = offset
        self.length = length
        self.isSparse = isSparse
    }
}
