internal import StorageBase

/// The header of a compressed loopback image, version 2 (`compressed_loop.h` of cloop).
struct CloopHeader {
    /// A shell script's beginning; the rest of the 128 bytes varies.
    static let magic = Array("#!/bin/sh\n#V2.0 Format\n".utf8)
    static let tableOffset: UInt64 = 136

    let blockSize: UInt64
    let blockCount: UInt64

    init(_ file: ImageFile) throws(StorageError) {
        let header = try file.bytes(at: 0, count: Int(Self.tableOffset), "its header")
        blockSize = try UInt64(header.bigEndian(UInt32.self, at: 128))
        blockCount = try UInt64(header.bigEndian(UInt32.self, at: 132))
        guard blockSize > 0, blockSize % 512 == 0 else {
            throw file.damaged("a block of \(blockSize) bytes does not have whole sectors", at: 128)
        }
        guard blockSize <= UInt64(CompressedData.maximumExpandedLength) else {
            throw file.unsupported("a block of \(blockSize) bytes is larger than 8 MiB", at: 128)
        }
        guard file.size >= Self.tableOffset + (blockCount + 1) * 8 else {
            throw file.damaged("the file of \(file.size) bytes ends inside the table of \(blockCount) blocks", at: 132)
        }
    }

    var virtualSize: UInt64 { blockCount * blockSize }
    /// Data that cannot be compressed becomes little larger.
    var maximumCompressedLength: UInt64 { blockSize * 2 }

    var imageDescription: ImageDescription {
        var description = ImageDescription(format: .cloop, virtualSize: ByteCount(virtualSize))
        description.version = "2.0"
        description.clusterSize = ByteCount(blockSize)
        description.compression = Codec.zlib.rawValue
        return description
    }
}
