import Foundation
import StorageKit
import Synchronization
import Testing

/// Upload and download: every byte, every hole, and what is left when the work is broken off.
struct TransferTests {
    private let scratch = Scratch()

    // MARK: Content

    @Test(arguments: 1...8)
    func randomParts(seed: UInt64) throws {
        var numbers = SeededNumbers(seed: seed)
        let pool = try scratch.runningPool()
        let size = Int.random(in: 1...3_000_000, using: &numbers)
        try pool.createVolume(
            VolumeDefinition(name: "a", capacity: ByteCount(UInt64(size)), allocation: Bool.random() ? .zero : nil)
        )
        var model = [UInt8](repeating: 0, count: size)
        for step in 0..<12 {
            let offset = Int.random(in: 0...size, using: &numbers)
            let content = numbers.sparseBytes(Int.random(in: 0...size - offset, using: &numbers))
            let limit = Bool.random(using: &numbers) ? Int.random(in: 0...size, using: &numbers) : nil
            let options = TransferOptions(
                offset: ByteCount(UInt64(offset)),
                length: limit.map { ByteCount(UInt64($0)) },
                isSparse: Bool.random(using: &numbers)
            )
            try scratch.writeSparsely(content, to: "source")
            switch step % 3 {
            case 0: try pool.uploadVolume(named: "a", from: .file(scratch.path + "/source"), options)
            case 1: try pool.uploadVolume(named: "a", from: Chunks(content).source, options)
            default:
                let file = try OpenFile(scratch.path + "/source", .readOnly)
                try pool.uploadVolume(named: "a", from: .descriptor(file.descriptor, name: "source"), options)
            }
            let count = min(content.count, limit ?? .max)
            model.replaceSubrange(offset..<offset + count, with: content[..<count])
            let now = try scratch.bytes("images/a")
            try #require(now == model, "seed \(seed), step \(step), \(options)")

            let start = Int.random(in: 0...size, using: &numbers)
            let length = Int.random(in: 0...size, using: &numbers)
            let part = TransferOptions(
                offset: ByteCount(UInt64(start)),
                length: ByteCount(UInt64(length)),
                isSparse: Bool.random(using: &numbers)
            )
            let expected = Array(model[start..<min(start + length, size)])
            let chunks = Chunks()
            let given = try pool.downloadVolume(named: "a", to: chunks.target, part)
            try pool.downloadVolume(named: "a", to: .file(scratch.path + "/target"), part)
            try #require(given.bytes == UInt64(expected.count))
            try #require(chunks.bytes == expected, "seed \(seed), step \(step), \(part)")
            let written = try scratch.bytes("target")
            try #require(written == expected, "seed \(seed), step \(step), \(part)")
        }
        #expect(try pool.volume(named: "a").problem == nil)
    }

    @Test func pipesBothWays() throws {
        let pool = try scratch.runningPool()
        var numbers = SeededNumbers(seed: 1)
        let content = numbers.sparseBytes(700_001)
        try pool.createVolume(VolumeDefinition(name: "a", capacity: ByteCount(700_001)))
        let (input, output) = (Pipe(), Pipe())
        let (writer, reader) = (input.fileHandleForWriting, output.fileHandleForReading)
        Thread.detachNewThread {
            try? writer.write(contentsOf: Data(content))
            try? writer.close()
        }
        try pool.uploadVolume(
            named: "a",
            from: .descriptor(input.fileHandleForReading.fileDescriptor, name: "pipe"),
            TransferOptions(isSparse: true)
        )
        #expect(try scratch.bytes("images/a") == content)
        let received = Mutex<Data?>(nil)
        Thread.detachNewThread {
            let data = try? reader.readToEnd()
            received.withLock { $0 = data }
        }
        try pool.downloadVolume(
            named: "a",
            to: .descriptor(output.fileHandleForWriting.fileDescriptor, name: "pipe"),
            TransferOptions(offset: ByteCount(3))
        )
        try output.fileHandleForWriting.close()
        for _ in 0..<1000 where received.withLock({ $0 == nil }) { Thread.sleep(forTimeInterval: 0.005) }
        #expect(received.withLock { $0 } == Data(content.dropFirst(3)))
    }

    @Test func holesAreKeptWhereWanted() throws {
        let pool = try scratch.runningPool()
        let size = 64 << 20
        var numbers = SeededNumbers(seed: 2)
        let source = try OpenFile(scratch.path + "/source", [.readWrite, .create], mode: 0o600)
        try source.setSize(ByteCount(UInt64(size)))
        try source.write(numbers.bytes(1 << 20), at: .mebibytes(10))
        for name in ["full", "sparse", "piped"] {
            try pool.createVolume(VolumeDefinition(name: name, capacity: ByteCount(UInt64(size))))
        }
        let sparse = TransferOptions(isSparse: true)
        try pool.uploadVolume(named: "full", from: .file(scratch.path + "/source"))
        try pool.uploadVolume(named: "sparse", from: .file(scratch.path + "/source"), sparse)
        let bytes = try scratch.bytes("source")
        try pool.uploadVolume(named: "piped", from: Chunks(bytes, size: 1 << 20).source, sparse)
        for (name, largest) in [("full", UInt64(size) + 65536), ("sparse", 1 << 21), ("piped", 1 << 21)] {
            #expect(try scratch.bytes("images/\(name)") == bytes)
            #expect(try scratch.allocation("images/\(name)") <= largest, "\(name)")
            #expect(try pool.volume(named: name).capacity.bytes == UInt64(size))
        }
        #expect(try scratch.allocation("images/full") >= UInt64(size))
        try pool.downloadVolume(named: "sparse", to: .file(scratch.path + "/with-holes"), sparse)
        try pool.downloadVolume(named: "sparse", to: .file(scratch.path + "/without"))
        #expect(try scratch.allocation("with-holes") <= 1 << 21)
        #expect(try scratch.allocation("without") >= UInt64(size))
        #expect(try scratch.bytes("with-holes") == bytes)
        #expect(try scratch.bytes("without") == bytes)
    }

    // MARK: What is refused

    @Test func anUploadThatDoesNotFitChangesNothing() throws {
        let pool = try scratch.runningPool()
        try pool.createVolume(VolumeDefinition(name: "a", capacity: ByteCount(1000)))
        try scratch.write([UInt8](repeating: 1, count: 1001), to: "source")
        let error = #expect(throws: StorageError.self) {
            try pool.uploadVolume(named: "a", from: .file(scratch.path + "/source"))
        }
        #expect(error?.code == .invalidArgument)
        #expect(
            error?.description
                == "volume 'a' of pool 'images' has 1000 bytes, and an upload does not make it larger: 1001 bytes from byte "
                + "0 on do not fit; resize the volume first"
        )
        for options in [TransferOptions(offset: ByteCount(1)), TransferOptions(offset: .maximum)] {
            let error = #expect(throws: StorageError.self) {
                try pool.uploadVolume(named: "a", from: .file(scratch.path + "/source"), options)
            }
            #expect(error?.code == .invalidArgument)
        }
        #expect(try scratch.bytes("images/a") == [UInt8](repeating: 0, count: 1000))
        #expect(try pool.volume(named: "a").problem == nil)
        try pool.uploadVolume(
            named: "a",
            from: .file(scratch.path + "/source"),
            TransferOptions(length: ByteCount(1000))
        )
        #expect(try scratch.bytes("images/a") == [UInt8](repeating: 1, count: 1000))
    }

    @Test func aStreamThatIsTooLongLeavesAVolumeThatSaysSo() throws {
        let pool = try scratch.runningPool()
        try pool.createVolume(VolumeDefinition(name: "a", capacity: ByteCount(250_000)))
        let error = #expect(throws: StorageError.self) {
            try pool.uploadVolume(named: "a", from: Chunks([UInt8](repeating: 1, count: 250_001)).source)
        }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.hasPrefix("the upload to volume 'a' of pool 'images' was broken off: ") == true)
        #expect(try pool.volume(named: "a").problem?.hasPrefix("an upload was broken off") == true)
        #expect(try pool.volumes().map { $0.problem != nil } == [true])
        // It is itself again once it is uploaded again, and a part does not mend it.
        let parts: [(Int, UInt64, Bool)] = [(1000, 0, true), (1000, 1, false), (249_999, 1, false), (250_000, 0, true)]
        for (count, offset, mends) in parts where offset > 0 || count == 250_000 {
            try pool.uploadVolume(
                named: "a",
                from: Chunks([UInt8](repeating: 2, count: count)).source,
                TransferOptions(offset: ByteCount(offset))
            )
            #expect(try (pool.volume(named: "a").problem == nil) == mends, "\(count) bytes from \(offset)")
        }
    }

    @Test func thePartThatWasBrokenOffMendsIt() throws {
        let pool = try scratch.runningPool()
        try pool.createVolume(VolumeDefinition(name: "a", capacity: .mebibytes(1)))
        struct Failure: Error {}
        let given = Atomic(0)
        let failing = UploadSource.chunks {
            if given.wrappingAdd(1, ordering: .relaxed).newValue > 2 { throw Failure() }
            return [1, 2, 3]
        }
        let part = TransferOptions(offset: ByteCount(1000), length: ByteCount(5000))
        let error = #expect(throws: StorageError.self) { try pool.uploadVolume(named: "a", from: failing, part) }
        #expect(error?.cause is Failure)
        #expect(try pool.volume(named: "a").problem != nil)
        for (options, mends) in [
            (TransferOptions(offset: ByteCount(1001), length: ByteCount(4999)), false),
            (TransferOptions(offset: ByteCount(1000), length: ByteCount(4999)), false), (part, true),
        ] {
            try pool.uploadVolume(named: "a", from: Chunks([UInt8](repeating: 1, count: 5000)).source, options)
            #expect(try (pool.volume(named: "a").problem == nil) == mends, "\(options)")
        }
    }

    @Test func whatIsNoSourceOrTarget() throws {
        let pool = try scratch.runningPool()
        try pool.createVolume(VolumeDefinition(name: "a", capacity: .mebibytes(1)))
        try FileManager.default.createSymbolicLink(
            atPath: scratch.path + "/link",
            withDestinationPath: scratch.path + "/images/a"
        )
        try FileManager.default.createDirectory(
            atPath: scratch.path + "/images/folder",
            withIntermediateDirectories: false
        )
        let volume = scratch.path + "/images/a"
        for (source, code) in [
            (scratch.path, StorageError.Code.invalidArgument), (volume, .invalidArgument),
            (scratch.path + "/link", .invalidArgument), (scratch.path + "/absent", .notFound),
        ] {
            let error = #expect(throws: StorageError.self) { try pool.uploadVolume(named: "a", from: .file(source)) }
            #expect(error?.code == code, "\(source)")
        }
        for (target, code) in [
            (scratch.path, StorageError.Code.exists), (volume, .invalidArgument),
            (scratch.path + "/link", .invalidArgument), (scratch.path + "/absent/x", .notFound),
            (scratch.path + "/new/", .notFound),
        ] {
            let error = #expect(throws: StorageError.self) { try pool.downloadVolume(named: "a", to: .file(target)) }
            #expect(error?.code == code, "\(target)")
        }
        for body in [
            { try pool.uploadVolume(named: "folder", from: Chunks([1]).source) },
            { try pool.downloadVolume(named: "folder", to: Chunks().target) },
            { try pool.wipeVolume(named: "folder") },
        ] as [() throws -> Any] {
            let error = #expect(throws: StorageError.self) { _ = try body() }
            #expect(error?.code == .notSupported)
            #expect(error?.message.hasPrefix("volume 'folder' of pool 'images' is a directory") == true)
        }
        #expect(try scratch.bytes("images/a") == [UInt8](repeating: 0, count: 1 << 20))
        #expect(try pool.volume(named: "a").problem == nil)
    }

    // MARK: Files that a download makes

    @Test func aDownloadReplacesAFileWhenAllIsThere() throws {
        let pool = try scratch.runningPool()
        try pool.createVolume(VolumeDefinition(name: "a", capacity: ByteCount(300_000)))
        try scratch.write("old", to: "target")
        try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: scratch.path + "/target")
        try FileManager.default.createSymbolicLink(atPath: scratch.path + "/link", withDestinationPath: "target")
        let cancellation = Cancellation()
        cancellation.cancel()
        let error = #expect(throws: StorageError.self) {
            try pool.downloadVolume(named: "a", to: .file(scratch.path + "/link"), cancellation: cancellation)
        }
        #expect(error?.code == .cancelled)
        #expect(try String(contentsOfFile: scratch.path + "/target", encoding: .utf8) == "old")
        try pool.downloadVolume(named: "a", to: .file(scratch.path + "/link"))
        #expect(try scratch.bytes("target").count == 300_000)
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: scratch.path + "/link") == "target")
        #expect(try OpenFile(scratch.path + "/target", .readOnly).status().mode == 0o640)
        #expect(try scratch.names(in: ".").filter { $0.hasPrefix(".") } == [])
    }

    // MARK: Transfers

    @Test func progressEndsAtTheTotal() async throws {
        let pool = try await scratch.manager().define(scratch.directoryPool())
        try await pool.start(build: .standard)
        try await pool.createVolume(VolumeDefinition(name: "a", capacity: .mebibytes(40), allocation: .zero))
        var numbers = SeededNumbers(seed: 3)
        try scratch.writeSparsely(numbers.sparseBytes(33 << 20), to: "source")
        for isSparse in [false, true] {
            let options = TransferOptions(isSparse: isSparse)
            let upload = await pool.uploadVolume(named: "a", from: .file(scratch.path + "/source"), options)
            async let other = Self.all(upload.progress)
            try Self.check(await Self.all(upload.progress), ends: 33 << 20)
            try Self.check(await other, ends: 33 << 20)
            #expect(try await upload.value.problem == nil)
            // Who comes late sees the end.
            #expect(await Self.all(upload.progress).count == 1)
            try Self.check(await Self.all(upload.progress), ends: 33 << 20)
        }
        let download = await pool.downloadVolume(named: "a", to: .file(scratch.path + "/target"))
        #expect(try await download.value == .mebibytes(40))
        try Self.check(await Self.all(download.progress), ends: 40 << 20)
        let wipe = await pool.wipeVolume(named: "a", .nnsa)
        _ = try await wipe.value
        let last = try #require(await Self.all(wipe.progress).last)
        #expect(last.done.bytes == UInt64(4) * ((33 << 20) - Self.holes(in: try scratch.bytes("source"))))
    }

    private static func holes(in bytes: [UInt8]) -> UInt64 {
        stride(from: 0, to: bytes.count, by: 4096)
            .reduce(0) { sum, start in
                let block = bytes[start..<min(start + 4096, bytes.count)]
                return sum + (block.allSatisfy { $0 == 0 } ? UInt64(block.count) : 0)
            }
    }

    private static func all(_ progress: some AsyncSequence<TransferProgress, Never>) async -> [TransferProgress] {
        var all: [TransferProgress] = []
        for await value in progress { all.append(value) }
        return all
    }

    private static func check(_ progress: [TransferProgress], ends: UInt64) throws {
        let last = try #require(progress.last)
        #expect(last.done.bytes == ends)
        #expect(last.total == last.done)
        #expect(last.remaining == .zero)
        #expect(zip(progress, progress.dropFirst()).allSatisfy { $0.done <= $1.done && $0.elapsed <= $1.elapsed })
        let data = try JSONEncoder().encode(last)
        let again = try JSONDecoder().decode(TransferProgress.self, from: data)
        #expect(again.done == last.done && again.total == last.total && again.rate == last.rate)
    }

    @Test(arguments: 1...6)
    func cancellationAtAnyMoment(seed: UInt64) async throws {
        var numbers = SeededNumbers(seed: seed)
        let pool = try await scratch.manager().define(scratch.directoryPool())
        try await pool.start(build: .standard)
        try await pool.createVolume(VolumeDefinition(name: "a", capacity: .mebibytes(24)))
        let content = numbers.sparseBytes(24 << 20)
        try scratch.writeSparsely(content, to: "source")
        let before = try scratch.bytes("images/a")
        for _ in 0..<4 {
            let pause = Duration.microseconds(Int.random(in: 0...30_000, using: &numbers))
            let upload = await pool.uploadVolume(
                named: "a",
                from: .file(scratch.path + "/source"),
                TransferOptions(isSparse: Bool.random(using: &numbers))
            )
            try await Task.sleep(for: pause)
            upload.cancel()
            let uploadError = await Self.error(of: upload)
            if uploadError == nil {
                #expect(try scratch.bytes("images/a") == content)
                #expect(try await pool.volume(named: "a").problem == nil)
            } else {
                #expect(uploadError?.code == .cancelled)
                let isWhole = try [before, content].contains(scratch.bytes("images/a"))
                #expect(try await pool.volume(named: "a").problem != nil || isWhole, "seed \(seed), \(pause)")
            }
            let target = scratch.path + "/target"
            try? FileManager.default.removeItem(atPath: target)
            let download = await pool.downloadVolume(named: "a", to: .file(target))
            try await Task.sleep(for: pause)
            download.cancel()
            let downloadError = await Self.error(of: download)
            if downloadError == nil {
                #expect(try scratch.bytes("target") == scratch.bytes("images/a"))
            } else {
                #expect(downloadError?.code == .cancelled)
                #expect(!FileManager.default.fileExists(atPath: target), "seed \(seed), \(pause)")
            }
        }
        let names = try scratch.names(in: ".")
        #expect(names.filter { $0.hasPrefix(".") } == [])
        _ = try await pool.uploadVolume(named: "a", from: .file(scratch.path + "/source")).value
        #expect(try await pool.volume(named: "a").problem == nil)
        #expect(try scratch.bytes("images/a") == content)
    }

    private static func error<Success>(of transfer: Transfer<Success>) async -> StorageError? {
        do throws(StorageError) {
            _ = try await transfer.value
            return nil
        } catch {
            return error
        }
    }

    @Test func cancellingWhoAwaitsCancelsTheWork() async throws {
        let pool = try await scratch.manager().define(scratch.directoryPool())
        try await pool.start(build: .standard)
        try await pool.createVolume(VolumeDefinition(name: "a", capacity: .mebibytes(1)))
        let held = HeldSource()
        let upload = await pool.uploadVolume(named: "a", from: held.endless)
        let task = Task { await Self.error(of: upload) }
        // Cancelled before its first byte is written, the upload would change nothing.
        try await held.waitUntilBegun()
        task.cancel()
        let error = await task.value
        #expect(
            error?.description
                == "the upload to volume 'a' of pool 'images' was cancelled; the volume is partly old and "
                + "partly new, and says so until it is uploaded again"
        )
        #expect(try await pool.volume(named: "a").problem != nil)
    }

    @Test func othersAreKeptFromAVolumeThatIsUploadedTo() async throws {
        let manager = scratch.manager()
        let pool = try await manager.define(scratch.directoryPool())
        try await pool.start(build: .standard)
        for name in ["a", "b"] {
            try await pool.createVolume(VolumeDefinition(name: name, capacity: .mebibytes(1)))
        }
        let held = HeldSource()
        let upload = await pool.uploadVolume(named: "a", from: held.source)
        try await held.waitUntilBegun()
        let process = ProcessInfo.processInfo.processIdentifier
        let target = Chunks().target
        for body in [
            { try await pool.deleteVolume(named: "a") },
            { try await pool.resizeVolume(named: "a", to: VolumeSize(.mebibytes(2))) },
            { _ = try await pool.uploadVolume(named: "a", from: Chunks([1]).source).value },
            { _ = try await pool.downloadVolume(named: "a", to: target).value },
            { _ = try await pool.wipeVolume(named: "a").value },
        ] as [() async throws -> Void] {
            let error = await #expect(throws: StorageError.self) { try await body() }
            #expect(error?.code == .busy)
            #expect(error?.message.hasPrefix("volume 'a' of pool 'images' is in use by ") == true)
            #expect(error?.message.hasSuffix("(process \(process))") == true, "\(error?.message ?? "")")
        }
        // What is not that volume goes on.
        let volumes = try await pool.volumes()
        #expect(volumes.map(\.name) == ["a", "b"])
        #expect(volumes.map { $0.problem != nil } == [true, false])
        _ = try await pool.uploadVolume(named: "b", from: Chunks([1, 2, 3]).source).value
        try await pool.createVolume(VolumeDefinition(name: "c", capacity: .mebibytes(1)))
        held.release()
        #expect(try await upload.value.problem == nil)
        try await pool.deleteVolume(named: "a")
    }

    @Test func manyUploadsHoldUpNoListing() async throws {
        let pool = try await scratch.manager().define(scratch.directoryPool())
        try await pool.start(build: .standard)
        let held = HeldSource()
        var uploads: [Transfer<Volume>] = []
        for number in 0..<12 {
            try await pool.createVolume(
                VolumeDefinition(name: "v\(number)", capacity: ByteCount(1 << 20), allocation: .zero)
            )
            uploads.append(await pool.uploadVolume(named: "v\(number)", from: held.endless))
        }
        #expect(try await pool.volumes().count == 12)
        held.release()
        for upload in uploads { #expect(try await upload.value.problem == nil) }
    }

    @Test func aPlanOfAnUploadIsAppliedWithItsSource() async throws {
        let manager = scratch.manager()
        let pool = try await manager.define(scratch.directoryPool())
        try await pool.start(build: .standard)
        try await pool.createVolume(VolumeDefinition(name: "a", capacity: ByteCount(4)))
        let plan = try await manager.plan(.uploadVolume(pool: "images", name: "a", options: TransferOptions()))
        #expect(plan.description == "write file \(scratch.path)/images/a: from byte 0 on")
        let error = await #expect(throws: StorageError.self) { try await manager.apply(plan) }
        #expect(error?.code == .invalidArgument)
        _ = try await manager.begin(plan, from: Chunks([1, 2, 3, 4]).source).value
        #expect(try scratch.bytes("images/a") == [1, 2, 3, 4])
        try await pool.deleteVolume(named: "a")
        try await pool.createVolume(VolumeDefinition(name: "a", capacity: ByteCount(4)))
        let stale = await #expect(throws: StorageError.self) {
            _ = try await manager.begin(plan, from: Chunks([1]).source).value
        }
        #expect(stale?.code == .stalePlan)
    }
}
