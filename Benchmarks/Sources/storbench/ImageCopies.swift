import CBenchmarks
import Foundation
import StorageKit

/// Images made and converted, beside qemu-img.
enum ImageCopies {
    private static let size = 1 << 30

    static func measure(_ program: String, into table: inout ResultTable) throws {
        let scratch = try Scratch()
        let pool = try scratch.pool("images")
        let qemu = Programs.find("qemu-img")
        try create(pool, scratch, qemu, &table)
        try writeRandomFile(scratch.path + "/images/source.raw")
        let copy = VolumeDefinition(name: "source.qcow2", capacity: nil, format: .qcow2)
        try pool.cloneVolume(VolumeReference(pool: "images", name: "source.raw"), as: copy)
        try convert(pool, scratch, qemu, &table)
        try memory(program, scratch, qemu, &table)
        try share("mkfs.xfs", &table)
        try share("mkfs.btrfs", &table)
    }

    private static func create(
        _ pool: StoragePool,
        _ scratch: Scratch,
        _ qemu: String?,
        _ table: inout ResultTable
    ) throws {
        let definition = VolumeDefinition(name: "new", capacity: .gibibytes(10), format: .qcow2)
        let remove = { try? pool.deleteVolume(named: "new") }
        let peer = try qemu.map { qemu in
            let path = scratch.path + "/new.qcow2"
            return try Sample(runs: 25) {
                try? FileManager.default.removeItem(atPath: path)
            } _: {
                try Programs.run([qemu, "create", "-q", "-f", "qcow2", path, "10G"])
            }
        }
        benchmarks_synchronize(0)
        let ours = try Sample(runs: 99) {
            remove()
        } _: {
            try pool.createVolume(definition)
        }
        benchmarks_synchronize(1)
        let durable = try Sample(runs: 99) {
            remove()
        } _: {
            try pool.createVolume(definition)
        }
        table.add(
            "make qcow2 of 10 GiB, without fsync",
            ours,
            limit: 0.0005,
            peer: peer.map { ("qemu-img create, whole process", $0) }
        )
        table.add("make qcow2 of 10 GiB, lasting", durable)
        remove()
    }

    private static func convert(
        _ pool: StoragePool,
        _ scratch: Scratch,
        _ qemu: String?,
        _ table: inout ResultTable
    ) throws {
        let folder = scratch.path + "/images"
        let plain = try Sample(runs: 5) {
            try? FileManager.default.removeItem(atPath: scratch.path + "/copy")
        } _: {
            try Programs.run(["/bin/cp", "--sparse=never", folder + "/source.raw", scratch.path + "/copy"])
        }
        for (source, format) in [("source.qcow2", VolumeFormat.raw), ("source.raw", .qcow2)] {
            let definition = VolumeDefinition(name: "copy", capacity: nil, format: format)
            let remove = { try? pool.deleteVolume(named: "copy") }
            let work = {
                _ = try pool.cloneVolume(VolumeReference(pool: "images", name: source), as: definition)
            }
            let peer = try qemu.map { qemu in
                try Sample(runs: 7) {
                    try? FileManager.default.removeItem(atPath: scratch.path + "/copy")
                } _: {
                    try Programs.run(
                        [qemu, "convert", "-O", format.rawValue, "\(folder)/\(source)", scratch.path + "/copy"]
                    )
                }
            }
            try? FileManager.default.removeItem(atPath: scratch.path + "/copy")
            benchmarks_synchronize(0)
            let ours = try Sample(runs: 7) {
                remove()
            } _: {
                try work()
            }
            benchmarks_synchronize(1)
            let durable = try Sample(runs: 3) {
                remove()
            } _: {
                try work()
            }
            remove()
            let title = "convert 1 GiB of data, \(source == "source.raw" ? "raw to qcow2" : "qcow2 to raw")"
            table.add(title, ours, ratioLimit: 1, peer: peer.map { ("qemu-img convert", $0) })
            table.add(title, ours, peer: ("cp", plain))
            table.add(title + ", lasting", durable)
        }
    }

    private static func memory(
        _ program: String,
        _ scratch: Scratch,
        _ qemu: String?,
        _ table: inout ResultTable
    ) throws {
        let words = ["vol-clone", "source.qcow2", "copy", "--pool", "images", "--format", "raw"]
        guard let ours = try Programs.memory(of: [program] + words) else { return }
        let theirs = try qemu.flatMap { qemu in
            try Programs.memory(
                of: [qemu, "convert", "-O", "raw", scratch.path + "/images/source.qcow2", scratch.path + "/copy"]
            )
        }
        table.add(
            "memory of converting 1 GiB, whole process",
            bytes: ours,
            limit: 32_000_000,
            peer: theirs.map { ("qemu-img convert", $0) }
        )
    }

    /// A copy where the file system lets files share extents, on a loop device; only root can mount it.
    private static func share(_ maker: String, _ table: inout ResultTable) throws {
        guard getuid() == 0, let make = Programs.find(maker), let mount = Programs.find("mount"),
            let unmount = Programs.find("umount")
        else { return }
        let scratch = try Scratch()
        let (image, place) = (scratch.path + "/disk", scratch.path + "/mount")
        guard FileManager.default.createFile(atPath: image, contents: nil), truncate(image, 3 << 30) == 0 else {
            throw CocoaError(.fileWriteUnknown)
        }
        try Programs.run([make, "-q", image])
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        try Programs.run([mount, "-o", "loop", image, place])
        defer { _ = try? Programs.run([unmount, "-l", place]) }
        let pool = try scratch.pool("shared", at: place + "/images")
        try writeRandomFile(place + "/images/source.raw")
        try Programs.run(["/bin/sync", "-f", place])
        benchmarks_synchronize(0)
        defer { benchmarks_synchronize(1) }
        let definition = VolumeDefinition(name: "copy", capacity: nil)
        let ours = try Sample(runs: 9) {
            try? pool.deleteVolume(named: "copy")
        } _: {
            _ = try pool.cloneVolume(VolumeReference(pool: "shared", name: "source.raw"), as: definition)
        }
        table.add("clone 1 GiB of raw data on \(maker.dropFirst(5))", ours, limit: 0.005)
        benchmarks_synchronize(1)
        let durable = try Sample(runs: 5) {
            try? pool.deleteVolume(named: "copy")
        } _: {
            _ = try pool.cloneVolume(VolumeReference(pool: "shared", name: "source.raw"), as: definition)
        }
        table.add("clone 1 GiB of raw data on \(maker.dropFirst(5)), lasting", durable)
    }

    private static func writeRandomFile(_ path: String) throws {
        guard FileManager.default.createFile(atPath: path, contents: nil) else { throw CocoaError(.fileWriteUnknown) }
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        defer { try? file.close() }
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<size >> 20 {
            let words = (0..<(1 << 17)).map { _ in generator.next() as UInt64 }
            try file.write(contentsOf: words.withUnsafeBytes { Data($0) })
        }
    }
}
