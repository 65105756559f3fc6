internal import StorageBase

/// An identifier as Microsoft's structures have it: the first three parts have their least significant byte first ([MS-DTYP] 2.3.4.2).
struct MicrosoftGUID: Hashable {
    let bytes: [UInt8]

    init(_ first: UInt32, _ second: UInt16, _ third: UInt16, _ rest: UInt64) {
        var bytes = [UInt8](repeating: 0, count: 16)
        bytes.store(littleEndian: first, at: 0)
        bytes.store(littleEndian: second, at: 4)
        bytes.store(littleEndian: third, at: 6)
        bytes.store(bigEndian: rest, at: 8)
        self.bytes = bytes
    }

    /// Takes the 16 bytes at an offset, which are there.
    init(_ bytes: [UInt8], at offset: Int) {
        self.bytes = Array(bytes[offset..<offset + 16])
    }

    static let zero = MicrosoftGUID(0, 0, 0, 0)

    static func random() -> MicrosoftGUID {
        MicrosoftGUID(StorageUUID.random().bytes, at: 0)
    }
}
