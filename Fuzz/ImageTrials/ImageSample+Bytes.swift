internal import DiskImages
internal import StorageBase

/// Images of the formats that are only read, from their descriptions alone.
extension ImageSample {
    private static func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

    /// An L1 table, an L2 table and a cluster, of 4 KiB each (`docs/interop/qed_spec.rst` of QEMU).
    static func qed() throws(StorageError) -> ImageSample {
        var bytes = zeros(4 * 4096)
        bytes.store("QED\0".utf8, at: 0)
        for (index, value) in ([4096, 1, 1] as [UInt32]).enumerated() {
            bytes.store(littleEndian: value, at: 4 + index * 4)
        }
        bytes.store(littleEndian: 1 as UInt64, at: 16)
        bytes.store(littleEndian: 4096 as UInt64, at: 40)
        bytes.store(littleEndian: 100_352 as UInt64, at: 48)
        bytes.store(littleEndian: 64 as UInt32, at: 56)
        bytes.store(littleEndian: 8 as UInt32, at: 60)
        bytes.store("base.img".utf8, at: 64)
        bytes.store(littleEndian: 8192 as UInt64, at: 4096)
        bytes.store(littleEndian: 12288 as UInt64, at: 8192)
        bytes.store(littleEndian: 1 as UInt64, at: 8200)
        bytes.store(littleEndian: 9 as UInt64, at: 12288)
        return try ImageSample("backed", bytes)
    }

    /// Eight clusters of 4 KiB, two of them in the file (`docs/interop/parallels.txt` of QEMU).
    static func parallels(isExtended: Bool) throws(StorageError) -> ImageSample {
        var bytes = zeros(3 * 4096)
        bytes.store((isExtended ? "WithouFreSpacExt" : "WithoutFreeSpace").utf8, at: 0)
        for (index, value) in ([2, 16, 1, 8, 8] as [UInt32]).enumerated() {
            bytes.store(littleEndian: value, at: 16 + index * 4)
        }
        bytes.store(littleEndian: 64 as UInt64, at: 36)
        bytes.store(littleEndian: 8 as UInt32, at: 48)
        bytes.store(littleEndian: isExtended ? 2 : 16 as UInt32, at: 64)
        bytes.store(littleEndian: isExtended ? 1 : 8 as UInt32, at: 72)
        bytes.store([7, 8, 9], at: 4096)
        return try ImageSample(isExtended ? "extended" : "plain", bytes)
    }

    /// Three blocks of 512 bytes (`compressed_loop.h` of cloop).
    static func cloop() throws(StorageError) -> ImageSample {
        var bytes = zeros(136 + 4 * 8)
        bytes.store("#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0\n".utf8, at: 0)
        bytes.store(bigEndian: 512 as UInt32, at: 128)
        bytes.store(bigEndian: 3 as UInt32, at: 132)
        for block in 0..<4 {
            bytes.store(bigEndian: UInt64(bytes.count), at: 136 + block * 8)
            if block < 3 {
                bytes += Codec.zlib.compress([UInt8](repeating: UInt8(block), count: 512), limit: 1024) ?? []
            }
        }
        return try ImageSample("plain", bytes)
    }

    /// A plain, an empty and a compressed chunk, in a table of either kind (UDIF).
    static func dmg(inPropertyList: Bool) throws(StorageError) -> ImageSample {
        let plain = [UInt8](repeating: 5, count: 1024)
        let compressed = Codec.zlib.compress(plain, limit: 2048) ?? []
        var table = zeros(204 + 4 * 40)
        table.store("mish".utf8, at: 0)
        table.store(bigEndian: 1 as UInt32, at: 4)
        table.store(bigEndian: 8 as UInt64, at: 16)
        table.store(bigEndian: 4 as UInt32, at: 200)
        let chunks: [(UInt32, [UInt64])] = [
            (1, [0, 2, 0, 1024]), (2, [2, 4, 1024, 0]), (0x8000_0005, [6, 2, 1024, UInt64(compressed.count)]),
            (0xFFFF_FFFF, [8, 0, 0, 0]),
        ]
        for (index, chunk) in chunks.enumerated() {
            table.store(bigEndian: chunk.0, at: 204 + index * 40)
            for (field, value) in chunk.1.enumerated() {
                table.store(bigEndian: value, at: 204 + index * 40 + 8 + field * 8)
            }
        }
        var tables: [UInt8]
        if inPropertyList {
            let text = "<key>blkx</key><array><dict><key>Data</key><data>\(base64(table))</data></dict></array>"
            tables = Array("<plist><dict><key>resource-fork</key><dict>\(text)</dict></dict></plist>".utf8)
        } else {
            tables = zeros(256 + 4) + table
            tables.store(bigEndian: 256 as UInt32, at: 0)
            tables.store(bigEndian: UInt32(tables.count), at: 4)
            tables.store(bigEndian: UInt32(table.count + 4), at: 8)
            tables.store(bigEndian: UInt32(table.count), at: 256)
        }
        let data = plain + compressed
        var trailer = zeros(512)
        trailer.store("koly".utf8, at: 0)
        trailer.store(bigEndian: 4 as UInt32, at: 4)
        trailer.store(bigEndian: 512 as UInt32, at: 8)
        trailer.store(bigEndian: UInt64(data.count), at: 32)
        trailer.store(bigEndian: UInt64(data.count), at: inPropertyList ? 216 : 40)
        trailer.store(bigEndian: UInt64(tables.count), at: inPropertyList ? 224 : 48)
        trailer.store(bigEndian: 1 as UInt32, at: 60)
        trailer.store(bigEndian: 8 as UInt64, at: 492)
        return try ImageSample(inPropertyList ? "list" : "fork", data + tables + trailer)
    }

    /// RFC 4648, 4.
    private static func base64(_ bytes: [UInt8]) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let part = bytes[start..<min(start + 3, bytes.count)]
            let bits = (Array(part) + zeros(3 - part.count)).reduce(0 as UInt32) { $0 << 8 | UInt32($1) }
            for index in 0..<4 {
                text.append(index <= part.count ? alphabet[Int(bits >> (18 - 6 * UInt32(index)) & 63)] : 0x3D)
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// A primary volume descriptor (ECMA-119 8.4).
    static func iso() throws(StorageError) -> ImageSample {
        var bytes = zeros(18 * 2048)
        bytes.store([1] + Array("CD001".utf8) + [1], at: 32768)
        bytes.store(littleEndian: 18 as UInt32, at: 32768 + 80)
        bytes.store(bigEndian: 18 as UInt32, at: 32768 + 84)
        bytes.store(littleEndian: 2048 as UInt16, at: 32768 + 128)
        bytes[17 * 2048] = 9
        return try ImageSample("plain", bytes)
    }

    /// A header before its content ("LUKS1 On-Disk Format Specification", 2.1).
    static func luks() throws(StorageError) -> ImageSample {
        var bytes = zeros(4096)
        bytes.store(Array("LUKS".utf8) + [0xBA, 0xBE, 0, 1], at: 0)
        bytes.store("aes".utf8, at: 8)
        bytes.store("xts-plain64".utf8, at: 40)
        bytes.store("sha256".utf8, at: 72)
        bytes.store(bigEndian: 2 as UInt32, at: 104)
        bytes.store(bigEndian: 64 as UInt32, at: 108)
        return try ImageSample("plain", bytes)
    }

    /// A header with its metadata ("LUKS2 On-Disk Format Specification", 2.1 and 3.3).
    static func luks2() throws(StorageError) -> ImageSample {
        var bytes = zeros(40_960)
        bytes.store(Array("LUKS".utf8) + [0xBA, 0xBE, 0, 2], at: 0)
        bytes.store(bigEndian: 16384 as UInt64, at: 8)
        bytes.store("sha256".utf8, at: 72)
        let metadata = """
            {"keyslots":{},"tokens":{},"segments":{"0":{"type":"crypt","offset":"32768","size":"dynamic","iv_tweak":"0",\
            "encryption":"aes-xts-plain64","sector_size":512},"1":{"offset":"36864","size":"4096","a":[1,true,"\\\\"]}},\
            "digests":{},"config":{"json_size":"12288"}}
            """
        bytes.store(metadata.utf8, at: 4096)
        return try ImageSample("plain", bytes)
    }
}
