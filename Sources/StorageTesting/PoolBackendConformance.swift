public import StorageKit

/// What every backend of pools must do, over real storage: one body of tests for all.
///
/// Run it on a pool that is not built, or is built and empty, and has room for 8 MiB. It leaves the pool as it found it,
/// and it asks for nothing that the backend does not offer.
public struct PoolBackendConformance {
    let backend: any PoolBackend
    static let size = ByteCount.mebibytes(1)

    /// Prepares the tests of a backend.
    public init(_ backend: any PoolBackend) {
        self.backend = backend
    }

    /// Runs all tests; it blocks.
    ///
    /// - Throws: `ConformanceFailure` at the first thing that is not as it must be, or the backend's own error.
    public func run() throws {
        try building()
        try expect("outlineStart() changes nothing") { try backend.outlineStart() == backend.outlineStart() }
        try backend.start()
        try backend.start()
        try expect("an empty pool has no volumes") { try backend.volumes().isEmpty }
        try usage()
        try lookupOfNothing()
        try creation()
        try resizing()
        try data()
        try deletion()
        try backend.refresh()
        try backend.stop()
        try poolDeletion()
    }

    private func building() throws {
        guard let backend = backend as? any PoolBuilding else { return }
        try backend.build(.standard, following: backend.outlineBuild(.standard))
        // A second build of what is built destroys nothing and is not refused.
        try backend.build(.standard, following: backend.outlineBuild(.standard))
    }

    private func usage() throws {
        let usage = try backend.usage()
        try expect("available \(usage.available) and allocation \(usage.allocation) are within \(usage.capacity)") {
            usage.available <= usage.capacity && usage.allocation <= usage.capacity && usage.capacity > .zero
        }
    }

    private func lookupOfNothing() throws {
        for name in ["absent", "", ".", "..", "a/b", "../x", "../\u{301}x", "a\nb", "a\u{0}b"] {
            try expectError([.volumeNotFound], "a look-up of '\(name)'") { _ = try backend.volume(named: name) }
        }
        try expect("a strange key is no volume's") { try backend.volumeName(key: "no such key") == nil }
        try expect("a strange path is no volume's") { try backend.volumeName(path: "/no/such/path") == nil }
    }

    private func creation() throws {
        guard let backend = backend as? any VolumeCreating else { return }
        for format in type(of: backend).creatableFormats {
            let name = "conformance \(format) '&<>\"é"
            var definition = VolumeDefinition(name: name, capacity: Self.size, allocation: .zero, format: format)
            let outline = try backend.outlineCreation(of: definition)
            try expect("a plan of a creation has steps") { !outline.steps.isEmpty }
            try expect("a plan makes nothing") { try backend.volumes().isEmpty }
            let made = try backend.createVolume(definition, following: outline, cancellation: Cancellation())
            try expect("the volume made has the name, capacity and format asked for: \(made)") {
                made.name == name && made.capacity == Self.size && made.definition.format == format
            }
            try expect("the volume is found by its name") { try backend.volume(named: name).key == made.key }
            try expect("the volume is found by its key") { try backend.volumeName(key: made.key) == name }
            try expect("the volume is found by its path") { try backend.volumeName(path: made.path) == name }
            try expect("the volume is listed once") { try backend.volumes().map(\.name) == [name] }
            try expect("a volume's name is one") { backend.isVolumeName(name) }
            try expectError([.volumeExists], "a second volume of the name") {
                _ = try backend.outlineCreation(of: definition)
            }
            try expectError([.volumeExists, .stalePlan], "an old plan for the name") {
                _ = try backend.createVolume(definition, following: outline, cancellation: Cancellation())
            }
            try remove(name)
            try cancelled(&definition, backend)
        }
        try refusals(backend)
    }

    private func cancelled(_ definition: inout VolumeDefinition, _ backend: any VolumeCreating) throws {
        definition.allocation = nil
        let cancellation = Cancellation()
        cancellation.cancel()
        let outline = try backend.outlineCreation(of: definition)
        let change = definition
        try expectError([.cancelled], "a cancelled creation") {
            _ = try backend.createVolume(change, following: outline, cancellation: cancellation)
        }
        try expect("nothing is left of a cancelled creation") { try backend.volumes().isEmpty }
    }

    private func refusals(_ backend: any VolumeCreating) throws {
        for name in ["", ".", "..", "a/b", "../x", "../\u{301}x", "a\nb"] {
            try expectError([.invalidName], "a volume named '\(name)'") {
                _ = try backend.outlineCreation(
                    of: VolumeDefinition(name: name, capacity: Self.size, allocation: .zero)
                )
            }
        }
        let withoutCapacity = VolumeDefinition(name: "a", capacity: nil)
        try expectError([.invalidArgument], "a volume without capacity") {
            _ = try backend.outlineCreation(of: withoutCapacity)
        }
        let tooLarge = VolumeDefinition(name: "a", capacity: .maximum)
        try expectError([.noSpace], "a volume of 8 EiB, allocated") { _ = try backend.outlineCreation(of: tooLarge) }
        try expect("nothing is left of what was refused") { try backend.volumes().isEmpty }
    }

    private func resizing() throws {
        guard let backend = backend as? any VolumeResizing & VolumeCreating else { return }
        let name = "resized"
        let definition = VolumeDefinition(name: name, capacity: Self.size, allocation: .zero)
        _ = try backend.createVolume(
            definition,
            following: backend.outlineCreation(of: definition),
            cancellation: Cancellation()
        )
        let larger = VolumeSize(.mebibytes(2))
        let outline = try backend.outlineResize(of: name, to: larger)
        try backend.resizeVolume(name, to: larger, following: outline, cancellation: Cancellation())
        try expect("the volume has grown") { try backend.volume(named: name).capacity == .mebibytes(2) }
        try expectError([.stalePlan], "an old plan of a resize") {
            try backend.resizeVolume(name, to: larger, following: outline, cancellation: Cancellation())
        }
        try expectError([.invalidArgument], "a shrink that was not allowed") {
            _ = try backend.outlineResize(of: name, to: VolumeSize(Self.size))
        }
        let allocated = VolumeSize(.mebibytes(3), allocates: true)
        try backend.resizeVolume(
            name,
            to: allocated,
            following: backend.outlineResize(of: name, to: allocated),
            cancellation: Cancellation()
        )
        try expect("what was added is allocated") { try backend.volume(named: name).allocation >= Self.size }
        let smaller = VolumeSize(Self.size, allowsShrinking: true)
        try backend.resizeVolume(
            name,
            to: smaller,
            following: backend.outlineResize(of: name, to: smaller),
            cancellation: Cancellation()
        )
        try expect("the volume has shrunk") { try backend.volume(named: name).capacity == Self.size }
        try expectError([.volumeNotFound], "a resize of nothing") {
            _ = try backend.outlineResize(of: "absent", to: larger)
        }
        try remove(name)
    }

    private func deletion() throws {
        guard let backend = backend as? any VolumeDeleting & VolumeCreating else { return }
        try expectError([.volumeNotFound], "a deletion of nothing") {
            _ = try backend.outlineDeletion(ofVolume: "absent")
        }
        let definition = VolumeDefinition(name: "deleted", capacity: Self.size, allocation: .zero)
        for _ in 0..<2 {
            _ = try backend.createVolume(
                definition,
                following: backend.outlineCreation(of: definition),
                cancellation: Cancellation()
            )
            let outline = try backend.outlineDeletion(ofVolume: "deleted")
            try expect("a plan of a deletion removes nothing") { try backend.volumes().count == 1 }
            try backend.deleteVolume("deleted", following: outline)
            try expect("the volume is gone") { try backend.volumes().isEmpty }
            try expectError([.volumeNotFound, .stalePlan], "an old plan of a deletion") {
                try backend.deleteVolume("deleted", following: outline)
            }
        }
    }

    private func poolDeletion() throws {
        guard let backend = backend as? any PoolDeleting else { return }
        try backend.start()
        if let creating = backend as? any VolumeCreating {
            let definition = VolumeDefinition(name: "in the way", capacity: Self.size, allocation: .zero)
            _ = try creating.createVolume(
                definition,
                following: creating.outlineCreation(of: definition),
                cancellation: Cancellation()
            )
            try expectError([.notEmpty], "the deletion of a pool with a volume") { _ = try backend.outlineDeletion() }
            try remove("in the way")
        }
        try backend.stop()
        try backend.delete(following: backend.outlineDeletion())
        if backend is any PoolBuilding {
            try expectError([.notFound], "the start of a pool that was deleted") { try backend.start() }
        }
    }

    func remove(_ name: String) throws {
        guard let backend = backend as? any VolumeDeleting else { return }
        try backend.deleteVolume(name, following: backend.outlineDeletion(ofVolume: name))
    }

    func expect(_ expectation: String, _ condition: () throws -> Bool) throws {
        guard try condition() else { throw ConformanceFailure(description: "it must be that \(expectation)") }
    }

    func expectError(
        _ codes: [StorageError.Code],
        _ what: String,
        _ body: () throws -> Void
    ) throws {
        do {
            try body()
        } catch let error as StorageError where codes.contains(error.code) {
            return
        } catch {
            throw ConformanceFailure(description: "\(what) must fail with \(codes), and fails with: \(error)")
        }
        throw ConformanceFailure(description: "\(what) must fail with \(codes), and does not")
    }
}
