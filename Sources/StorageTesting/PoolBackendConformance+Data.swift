import StorageKit
internal import Synchronization

/// The bytes of volumes: upload, download and wipe.
extension PoolBackendConformance {
    func data() throws {
        guard let backend = backend as? any VolumeCreating & VolumeUploading & VolumeDownloading else { return }
        let name = "with data"
        let definition = VolumeDefinition(name: name, capacity: Self.size, allocation: .zero, format: .raw)
        _ = try backend.createVolume(
            definition,
            following: backend.outlineCreation(of: definition),
            cancellation: Cancellation()
        )
        try expect("a new volume reads as zeros") { try download(name) == Self.zeros }
        try uploads(name, backend)
        try refusedUploads(name, backend)
        try refusedDownloads(backend)
        if let backend = backend as? any VolumeWiping & VolumeDownloading { try wipe(name, backend) }
        try remove(name)
    }

    private static var zeros: [UInt8] { Array(repeating: 0, count: Int(size.bytes)) }

    private func uploads(_ name: String, _ backend: any VolumeUploading & VolumeDownloading) throws {
        var expected = Self.zeros
        for (offset, count) in [(0, 1 << 20), (4097, 70_001), ((1 << 20) - 3, 3), (1 << 20, 0)] {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ offset) }
            try upload(bytes, to: name, TransferOptions(offset: ByteCount(UInt64(offset))), backend)
            expected.replaceSubrange(offset..<offset + count, with: bytes)
            try expect("what is uploaded at \(offset) is there, and the rest as it was") {
                try download(name) == expected
            }
        }
        try upload([1, 2, 3, 4], to: name, TransferOptions(length: ByteCount(2)), backend)
        try expect("no more is uploaded than asked for") {
            try download(name, TransferOptions(length: ByteCount(3))) == [1, 2, expected[2]]
        }
        try expect("a part is downloaded") {
            try download(name, TransferOptions(offset: ByteCount(5000), length: ByteCount(9)))
                == Array(expected[5000..<5009])
        }
        try expect("a download ends with the volume") {
            try download(name, TransferOptions(offset: ByteCount((1 << 20) - 2), length: ByteCount(9))).count == 2
        }
        try expect("a volume that is whole has no problem") { try backend.volume(named: name).problem == nil }
    }

    private func refusedUploads(_ name: String, _ backend: any VolumeUploading) throws {
        let options = TransferOptions(offset: ByteCount((1 << 20) - 1))
        try expectError([.invalidArgument], "an upload behind the volume's end") {
            try upload([1, 2], to: name, options, backend)
        }
        try expect("an upload that was broken off shows") { try backend.volume(named: name).problem != nil }
        try upload([1], to: name, options, backend)
        try expect("an upload mends one that was broken off") { try backend.volume(named: name).problem == nil }
        try expectError([.invalidArgument], "an upload that begins behind the volume's end") {
            _ = try backend.outlineUpload(to: name, TransferOptions(offset: ByteCount((1 << 20) + 1)))
        }
        try expectError([.volumeNotFound], "an upload to nothing") {
            _ = try backend.outlineUpload(to: "absent", TransferOptions())
        }
        let cancellation = Cancellation()
        cancellation.cancel()
        try expectError([.cancelled], "a cancelled upload") {
            try upload([1], to: name, TransferOptions(), backend, cancellation: cancellation)
        }
        try expect("an upload that was cancelled before it began changes nothing") {
            try backend.volume(named: name).problem == nil
        }
    }

    private func refusedDownloads(_ backend: any VolumeDownloading) throws {
        try expectError([.invalidArgument], "a download that begins behind the volume's end") {
            _ = try download("with data", TransferOptions(offset: ByteCount((1 << 20) + 1)))
        }
        try expectError([.volumeNotFound], "a download of nothing") { _ = try download("absent") }
    }

    private func wipe(_ name: String, _ backend: any VolumeWiping & VolumeDownloading) throws {
        let outline = try backend.outlineWipe(of: name, .zero, isForced: true)
        try expect("a plan of a wipe has steps") { !outline.steps.isEmpty }
        try backend.wipeVolume(
            name,
            .zero,
            isForced: true,
            following: outline,
            progress: ProgressMeter(),
            cancellation: Cancellation()
        )
        try expect("a volume that was wiped with zeros reads as zeros") { try download(name) == Self.zeros }
        try expectError([.volumeNotFound], "a wipe of nothing") {
            _ = try backend.outlineWipe(of: "absent", .zero, isForced: true)
        }
    }

    private func upload(
        _ bytes: [UInt8],
        to name: String,
        _ options: TransferOptions,
        _ backend: any VolumeUploading,
        cancellation: Cancellation = Cancellation()
    ) throws {
        let rest = Mutex(bytes[...])
        try backend.uploadVolume(
            name,
            from: .chunks {
                rest.withLock { rest in
                    guard !rest.isEmpty else { return nil }
                    let chunk = Array(rest.prefix(300_007))
                    rest = rest.dropFirst(chunk.count)
                    return chunk
                }
            },
            options,
            following: backend.outlineUpload(to: name, options),
            progress: ProgressMeter(),
            cancellation: cancellation
        )
    }

    private func download(_ name: String, _ options: TransferOptions = TransferOptions()) throws -> [UInt8] {
        guard let backend = backend as? any VolumeDownloading else { return [] }
        let collected = Mutex<[UInt8]>([])
        let count = try backend.downloadVolume(
            name,
            to: .chunks { chunk in collected.withLock { $0 += chunk } },
            options,
            progress: ProgressMeter(),
            cancellation: Cancellation()
        )
        let bytes = collected.withLock { $0 }
        try expect("the number of bytes is that of what is given: \(count)") { count.bytes == UInt64(bytes.count) }
        return bytes
    }
}
