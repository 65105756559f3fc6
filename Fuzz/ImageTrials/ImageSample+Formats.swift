package import DiskImages
package import StorageBase

extension ImageSample {
    /// The samples of a format: its varieties, each as small as it can be.
    package static func all(of format: ImageFormat) throws(StorageError) -> [ImageSample] {
        switch format {
        case .raw: [try ImageSample("plain", creation(.raw, 4096))]
        case .bochs: [try ImageSample("growing", creation(.bochs, 100_000))]
        case .cow:
            [try ImageSample("plain", creation(.cow, 100_000)), try ImageSample("backed", backed(.cow, 100_000))]
        case .qcow:
            [
                try ImageSample("plain", creation(.qcow, 100_000)), try ImageSample("backed", backed(.qcow, 100_000)),
                try ImageSample("compressed", creation(.qcow, 100_000) { $0.compression = .deflate }),
            ]
        case .qcow2: try qcow2()
        case .vmdk: try vmdk()
        case .vpc:
            [
                try ImageSample("dynamic", creation(.vpc, 5 << 20)),
                try ImageSample("fixed", creation(.vpc, 1 << 20) { $0.subformat = "fixed" }),
            ]
        case .vdi:
            [
                try ImageSample("dynamic", creation(.vdi, 5 << 20)),
                try ImageSample("static", creation(.vdi, 5 << 20) { $0.subformat = "static" }),
            ]
        case .vhdx:
            [
                try ImageSample("dynamic", creation(.vhdx, 5 << 20) { $0.clusterSize = 1 << 20 }),
                try ImageSample("fixed", creation(.vhdx, 3 << 20) { $0.subformat = "fixed" }),
                try vhdxWithLog(),
            ]
        case .qed: [try qed()]
        case .parallels: [try parallels(isExtended: false), try parallels(isExtended: true)]
        case .cloop: [try cloop()]
        case .dmg: [try dmg(inPropertyList: true), try dmg(inPropertyList: false)]
        case .iso: [try iso()]
        case .luks: [try luks()]
        case .luks2: [try luks2()]
        }
    }

    private static func creation(
        _ format: ImageFormat,
        _ size: UInt64,
        _ change: (inout ImageCreation) -> Void = { _ in }
    ) -> ImageCreation {
        var creation = ImageCreation(format: format, name: "image", virtualSize: size)
        change(&creation)
        return creation
    }

    private static func backed(_ format: ImageFormat, _ size: UInt64) -> ImageCreation {
        creation(format, size) { $0.backing = ImageDescription.Backing(name: "base.img", format: .raw) }
    }

    private static func vmdk() throws(StorageError) -> [ImageSample] {
        let base = try ImageSample("sparse", creation(.vmdk, 300_032))
        let backing = try base.open()
        return [
            base,
            try ImageSample(
                "backed",
                backed(.vmdk, 300_032)
                    .changed {
                        $0.backing?.format = .vmdk
                        $0.backingFile = backing
                    }
            ), try ImageSample("stream", creation(.vmdk, 300_032) { $0.subformat = "streamOptimized" }),
            try ImageSample("flat", creation(.vmdk, 300_032) { $0.subformat = "monolithicFlat" }),
        ]
    }

    private static func qcow2() throws(StorageError) -> [ImageSample] {
        var compressed = creation(.qcow2, 50_176) { $0.clusterSize = 4096 }
        compressed.compression = .deflate
        var zstd = compressed
        zstd.compression = .zstd
        return [
            try ImageSample("small", creation(.qcow2, 50_176) { $0.clusterSize = 512 }),
            try ImageSample("usual", creation(.qcow2, 1 << 20)),
            try ImageSample(
                "old",
                backed(.qcow2, 50_176)
                    .changed {
                        $0.compatibility = "0.10"
                        $0.clusterSize = 4096
                    }
            ),
            try ImageSample("backed", backed(.qcow2, 50_176).changed { $0.clusterSize = 512 }),
            try ImageSample(
                "extended",
                creation(.qcow2, 150_016) {
                    $0.clusterSize = 16384
                    $0.hasExtendedL2 = true
                    $0.hasLazyRefcounts = true
                }
            ), try ImageSample("compressed", compressed), try ImageSample("zstd", zstd), try qcow2WithSnapshot(),
        ]
    }

    /// A snapshot and a bitmap, whose tables the writer has no use for; the reference counts are as they were.
    private static func qcow2WithSnapshot() throws(StorageError) -> ImageSample {
        let sample = try ImageSample("snapshot", creation(.qcow2, 50_176) { $0.clusterSize = 512 })
        var header = try sample.file.file.read(count: 512, at: 0)
        let l1 = try (header.bigEndian(UInt64.self, at: 40), header.bigEndian(UInt32.self, at: 36))
        let end = try sample.file.file.contentSize()
        header.store(bigEndian: 1 as UInt32, at: 60)
        header.store(bigEndian: end, at: 64)
        header.store(bigEndian: 1 as UInt64, at: 88)
        // The bitmaps' extension.
        header.store(bigEndian: 0x2385_2875 as UInt32, at: 112)
        header.store(bigEndian: 24 as UInt32, at: 116)
        header.store(bigEndian: 1 as UInt32, at: 120)
        header.store(bigEndian: 32 as UInt64, at: 128)
        header.store(bigEndian: end + 512, at: 136)
        try sample.file.file.write(header)
        var tables = [UInt8](repeating: 0, count: 1536)
        tables.store(bigEndian: l1.0, at: 0)
        tables.store(bigEndian: l1.1, at: 8)
        tables.store(bigEndian: 0x0001_0001 as UInt32, at: 12)
        tables.store(bigEndian: 16 as UInt32, at: 36)
        tables.store("1a".utf8, at: 56)
        tables.store(bigEndian: end + 1024, at: 512)
        tables.store(bigEndian: 1 as UInt32, at: 520)
        tables.store([1, 16, 0, 1], at: 528)
        tables.store("b".utf8, at: 536)
        try sample.file.file.write(tables, at: ByteCount(end))
        return sample
    }

    /// An entry in the log changes a block of the table ([MS-VHDX] 2.3).
    private static func vhdxWithLog() throws(StorageError) -> ImageSample {
        let sample = try ImageSample("log", creation(.vhdx, 5 << 20) { $0.clusterSize = 1 << 20 })
        let file = try PackedImage(sample.file).unpack(mendingChecksumsOf: .vhdx)
        let identifier = Array(1...16) as [UInt8]
        for place in [65536, 131_072] as [UInt64] { try file.write(identifier, 0..<16, at: place + 48) }
        let header = try file.read(count: 80, at: 65536)
        let log = try header.littleEndian(UInt64.self, at: 72)
        let size = try file.contentSize()
        var entry = [UInt8](repeating: 0, count: 8192)
        entry.store("loge".utf8, at: 0)
        entry.store(littleEndian: 8192 as UInt32, at: 8)
        entry.store(littleEndian: 7 as UInt64, at: 16)
        entry.store(littleEndian: 2 as UInt32, at: 24)
        entry.store(identifier, at: 32)
        entry.store(littleEndian: size, at: 48)
        entry.store(littleEndian: size, at: 56)
        entry.store("desc".utf8, at: 64)
        entry.store(littleEndian: 3 << 20 as UInt64, at: 80)
        entry.store(littleEndian: 7 as UInt64, at: 88)
        entry.store("zero".utf8, at: 96)
        entry.store(littleEndian: 4096 as UInt64, at: 104)
        entry.store(littleEndian: 3 << 20 + 4096 as UInt64, at: 112)
        entry.store(littleEndian: 7 as UInt64, at: 120)
        entry.store("data".utf8, at: 4096)
        entry.store(littleEndian: 7 as UInt32, at: 8188)
        try file.write(entry, 0..<entry.count, at: log)
        try ImageFormat.vhdx.mendChecksums(in: file, size: size)
        return ImageSample("log", try ImageFile(file))
    }
}

extension ImageCreation {
    fileprivate func changed(_ change: (inout ImageCreation) -> Void) -> ImageCreation {
        var creation = self
        change(&creation)
        return creation
    }
}
