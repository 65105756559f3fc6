internal import StorageBase

/// One of the two headers of a VHDX file ([MS-VHDX] 2.2.2).
struct VHDXHeader {
    static let byteCount = 4096
    static let offsets: [UInt64] = [64 << 10, 128 << 10]
    /// The section before everything else.
    static let sectionLength: UInt64 = 1 << 20
    /// The unit of offsets and lengths of what is in the file.
    static let alignment: UInt64 = 1 << 20

    private(set) var bytes: [UInt8]
    private(set) var sequenceNumber: UInt64
    let logGUID: MicrosoftGUID
    let logVersion: UInt16
    let version: UInt16
    let logLength: UInt32
    let logOffset: UInt64

    /// Takes the bytes of a header.
    ///
    /// - Returns: Nil where they are none, or damaged.
    init?(_ bytes: [UInt8]) throws(StorageError) {
        guard bytes.count == Self.byteCount, bytes.starts(with: "head".utf8), bytes.hasValidVHDXChecksum else {
            return nil
        }
        self.bytes = bytes
        sequenceNumber = try bytes.littleEndian(UInt64.self, at: 8)
        logGUID = MicrosoftGUID(bytes, at: 48)
        logVersion = try bytes.littleEndian(UInt16.self, at: 64)
        version = try bytes.littleEndian(UInt16.self, at: 66)
        logLength = try bytes.littleEndian(UInt32.self, at: 68)
        logOffset = try bytes.littleEndian(UInt64.self, at: 72)
    }

    /// Makes the header of a new file.
    init(logOffset: UInt64, logLength: UInt32) {
        bytes = [UInt8](repeating: 0, count: Self.byteCount)
        sequenceNumber = 0
        logGUID = .zero
        logVersion = 0
        version = 1
        self.logLength = logLength
        self.logOffset = logOffset
        bytes.store("head".utf8, at: 0)
        bytes.store(littleEndian: version, at: 66)
        bytes.store(littleEndian: logLength, at: 68)
        bytes.store(littleEndian: logOffset, at: 72)
        advance(fileWrite: .random(), dataWrite: .random())
    }

    var logRange: Range<UInt64> { logOffset..<logOffset + UInt64(logLength) }

    /// Whether the log may hold what is not in its place yet.
    var hasLog: Bool { logGUID != .zero }

    /// Makes it the header that follows, for a file that is changed.
    ///
    /// - Parameters:
    ///   - fileWrite: Identifies the file's content.
    ///   - dataWrite: Identifies the content that a guest sees.
    mutating func advance(fileWrite: MicrosoftGUID, dataWrite: MicrosoftGUID) {
        sequenceNumber &+= 1
        bytes.store(littleEndian: sequenceNumber, at: 8)
        bytes.store(fileWrite.bytes, at: 16)
        bytes.store(dataWrite.bytes, at: 32)
        bytes.storeVHDXChecksum()
    }
}
