import DiskImages
internal import SystemPackage

extension FileVolumes {
    /// The mode of a volume whose document names none, as libvirt has it (`VIR_STORAGE_DEFAULT_VOL_PERM_MODE`).
    static let defaultMode: UInt32 = 0o600

    func outlineCreation(of definition: VolumeDefinition) throws(StorageError) -> PlanOutline {
        try outlineCreation(of: definition, isCopy: false)
    }

    /// - Parameter isCopy: Whether the volume is to hold what another one does: its holes then, and not what is allocated
    ///   of a new one.
    func outlineCreation(of definition: VolumeDefinition, isCopy: Bool) throws(StorageError) -> PlanOutline {
        try definition.validate(in: .directory)
        try checkCanCreate(definition)
        let path = path(of: definition.name)
        let directory = try openDirectory()
        guard try directory.isAbsent(definition.name) else { throw exists(definition.name) }
        let creation = try imageCreation(definition)
        try creation.validate()
        let capacity = ByteCount(creation.virtualSize)
        let allocation = isCopy && definition.preallocation == nil ? .zero : allocation(of: definition, creation)
        // A sparse volume may be larger than the storage; what is set aside at once may not.
        let available = try directory.filesystemSpace().available
        guard allocation <= available else { throw noSpace(definition.name, allocation, available) }
        let mode = definition.permissions.mode ?? Self.defaultMode
        let layout =
            switch allocation {
            case _ where creation.preallocation == .metadata: "tables allocated"
            case _ where isCopy && creation.preallocation == .off: "holes kept"
            case .zero where capacity > .zero: "sparse"
            case capacity: "fully allocated"
            default: "\(allocation) allocated"
            }
        var details = [
            creation.subformat.map { "\(creation.format) \($0)" } ?? "\(creation.format)", "\(capacity)", layout,
        ]
        if let backing = creation.backing { details.append("on \(backing.name.printable)") }
        details.append("mode 0\(String(mode, radix: 8))")
        return PlanOutline(
            steps: [.init("create file", path, detail: details.joined(separator: ", "))],
            assumptions: [.absent(path: path)]
        )
    }

    func createVolume(
        _ definition: VolumeDefinition,
        following outline: PlanOutline,
        cancellation: Cancellation
    ) throws(StorageError) -> Volume {
        try outline.checkUnchanged(outlineCreation(of: definition), object: "volume '\(definition.name)'")
        let creation = try imageCreation(definition)
        let allocation = allocation(of: definition, creation)
        return try make(definition, creation, allocating: allocation) { file, makeFile throws(StorageError) in
            try creation.make(in: file, cancellation: cancellation, makeFile: makeFile)
            if creation.format == .raw, creation.preallocation == .off {
                try file.file.fill(from: .zero, to: allocation, cancellation: cancellation)
            }
            try cancellation.check()
        }
    }

    /// Makes a volume's files, which appear whole and with what is remembered of them, or not at all.
    ///
    /// - Parameter write: Writes the content of the volume's file, and of further ones that it makes beside it.
    func make(
        _ definition: VolumeDefinition,
        _ creation: ImageCreation,
        allocating allocation: ByteCount,
        write: (ImageFile, (String) throws(StorageError) -> ImageFile) throws(StorageError) -> Void
    ) throws(StorageError) -> Volume {
        let volumes = try VolumeDirectory(self)
        do throws(StorageError) {
            return try make(definition, creation, in: volumes, write: write)
        } catch {
            if error.code == .exists { throw exists(definition.name) }
            throw explained(error, definition.name, allocation, in: volumes.directory)
        }
    }

    private func make(
        _ definition: VolumeDefinition,
        _ creation: ImageCreation,
        in volumes: VolumeDirectory,
        write: (ImageFile, (String) throws(StorageError) -> ImageFile) throws(StorageError) -> Void
    ) throws(StorageError) -> Volume {
        let mode = definition.permissions.mode ?? Self.defaultMode
        let parts = VolumeParts()
        var file = try UnfinishedFile.make(in: volumes.directory, as: path(of: definition.name))
        try file.prepare(definition, mode: mode)
        var record = VolumeRecord(
            declaredFormat: VolumeFormat(creation.format),
            declaredBackingPath: creation.backing?.name
        )
        let made = try file.file.duplicate()
        do throws(StorageError) {
            try record.write(to: file.file, named: definition.name, in: volumes.directory)
            try write(ImageFile(empty: file.file.duplicate())) { name throws(StorageError) in
                try parts.make(name, for: definition, mode: mode, in: self)
            }
            if !parts.names.isEmpty {
                record.dataFiles = parts.names
                try record.write(to: file.file, named: definition.name, in: volumes.directory)
            }
            try file.file.synchronize()
            try parts.finish()
            try file.finish(as: definition.name)
        } catch {
            parts.remove()
            // Where somebody else was faster the name's record is that of theirs.
            if error.code != .exists { VolumeRecord.removeFile(for: definition.name, in: volumes.directory) }
            throw error
        }
        try volumes.directory.synchronizeChange()
        // It is not looked for by its name: what is made is made, whatever comes in between.
        guard let volume = try volumes.read(definition.name, in: made) else { throw notFound(definition.name) }
        return volume
    }

    /// What the document asks of the format.
    func imageCreation(_ definition: VolumeDefinition) throws(StorageError) -> ImageCreation {
        let format = definition.format ?? .raw
        guard let imageFormat = format.imageFormat else {
            throw StorageError(
                .notSupported,
                "volume '\(definition.name)': volumes of format '\(format)' cannot be made",
                hint: "made can be \(ImageFormat.creatable.map(\.rawValue).joined(separator: ", "))"
            )
        }
        let backing = try definition.backingFile.map { file throws(StorageError) in
            try openBacking(file, for: definition.name)
        }
        guard let capacity = definition.capacity ?? backing.map({ ByteCount($0.size) }) else {
            throw StorageError(.invalidArgument, "volume '\(definition.name)' needs a capacity")
        }
        guard capacity <= .maximum else {
            throw StorageError(
                .invalidArgument,
                "volume '\(definition.name)': \(capacity.bytes) bytes are more than the largest size of a file"
            )
        }
        var creation = ImageCreation(format: imageFormat, name: definition.name, virtualSize: capacity.bytes)
        creation.preallocation = definition.preallocation ?? .off
        creation.subformat = definition.subformat
        creation.clusterSize = definition.clusterSize?.bytes
        creation.compatibility = definition.compatibility
        creation.hasLazyRefcounts = definition.features?.contains(.lazyRefcounts) == true
        creation.hasExtendedL2 = definition.features?.contains(.extendedL2) == true
        creation.compression = definition.compression.map { compression in
            compression == .zstd ? .zstd : imageFormat == .vmdk ? .zlib : .deflate
        }
        creation.backing = backing?.reference
        creation.backingFile = backing?.file
        return creation
    }

    /// What is set aside at once: of a raw volume all of it where the definition does not say.
    private func allocation(of definition: VolumeDefinition, _ creation: ImageCreation) -> ByteCount {
        let capacity = ByteCount(creation.virtualSize)
        switch definition.preallocation {
        case .falloc, .full: return capacity
        case .off, .metadata: return .zero
        case nil: return creation.format == .raw ? min(definition.allocation ?? capacity, capacity) : .zero
        }
    }

    /// Looks at a backing file that a volume is to have: it must be there, and readable with all that is below it.
    private func openBacking(
        _ backing: BackingFile,
        for name: String
    ) throws(StorageError) -> (reference: ImageDescription.Backing, file: ImageFile, size: UInt64) {
        let opener = try ImageChainOpener(volumes: VolumeDirectory(self))
        let (image, chain) = try opener.declaredBacking(
            backing.path,
            format: backing.format?.imageFormat,
            for: name
        )
        let reference = ImageDescription.Backing(name: backing.path, format: image.description.format)
        return (reference, image.file, chain.virtualSize)
    }

    private func checkCanCreate(_ definition: VolumeDefinition) throws(StorageError) {
        guard !Self.isReserved(definition.name) else {
            throw StorageError(
                .invalidName,
                "volume name '\(definition.name)' is kept for storlib's own files"
            )
        }
        if definition.encryption != nil {
            throw StorageError(
                .notSupported,
                "volume '\(definition.name)': encrypted volumes cannot be made",
                hint: "a LUKS container that was made elsewhere is recognised"
            )
        }
    }

    func exists(_ name: String) -> StorageError {
        StorageError(
            .volumeExists,
            "pool '\(poolName)' has a volume '\(name)' already",
            context: StorageError.Context(path: path(of: name))
        )
    }

    /// The error for people where the system ran out of space.
    func explained(
        _ error: StorageError,
        _ name: String,
        _ wanted: ByteCount,
        in directory: borrowing OpenFile
    ) -> StorageError {
        if error.cause as? Errno == .fileTooLarge {
            return StorageError(
                .invalidArgument,
                "volume '\(name)' would be larger than a file can be in '\(path)'",
                hint: "the limit is that of the file system there",
                context: error.context,
                cause: error.cause
            )
        }
        guard error.code == .noSpace, let available = try? directory.filesystemSpace().available, wanted > available
        else {
            return error
        }
        return noSpace(name, wanted, available, cause: error)
    }

    func noSpace(
        _ name: String,
        _ wanted: ByteCount,
        _ available: ByteCount,
        cause: StorageError? = nil
    ) -> StorageError {
        StorageError(
            .noSpace,
            "pool '\(poolName)' has no space for volume '\(name)': \(wanted) to be allocated, \(available) available",
            hint: "free some space, or allocate less: a sparse volume takes space as it is written",
            context: cause?.context ?? StorageError.Context(path: path),
            cause: cause?.cause
        )
    }
}

/// The further files of a volume that is being made; they get their names before the volume has its own.
private final class VolumeParts {
    private final class Part {
        let name: String
        var file: UnfinishedFile

        init(_ name: String, _ file: consuming UnfinishedFile) {
            self.name = name
            self.file = file
        }
    }

    private var parts: [Part] = []
    private var finished: [String] = []
    private var files: FileVolumes?

    var names: [String] { parts.map(\.name) }

    func make(
        _ name: String,
        for definition: VolumeDefinition,
        mode: UInt32,
        in files: FileVolumes
    ) throws(StorageError) -> ImageFile {
        self.files = files
        let directory = try files.openDirectory()
        guard try directory.isAbsent(name) else { throw files.exists(name) }
        let file = try UnfinishedFile.make(in: directory, as: files.path(of: name))
        try file.prepare(definition, mode: mode)
        try VolumeRecord(declaredFormat: .raw).write(to: file.file, named: name, in: directory)
        let content = try ImageFile(empty: file.file.duplicate())
        parts.append(Part(name, file))
        return content
    }

    func finish() throws(StorageError) {
        for part in parts {
            try part.file.file.synchronize()
            try part.file.finish(as: part.name)
            finished.append(part.name)
        }
    }

    /// Takes the names away again, of a volume that does not come to be.
    func remove() {
        guard !parts.isEmpty, let directory = try? files?.openDirectory() else { return }
        for name in finished { try? directory.remove(name) }
        // The record came before the file; another's file of that name has another's.
        for name in names where (try? directory.isAbsent(name)) == true {
            VolumeRecord.removeFile(for: name, in: directory)
        }
    }
}

extension OpenFile {
    func isAbsent(_ name: String) throws(StorageError) -> Bool {
        do throws(StorageError) {
            _ = try status(of: name)
            return false
        } catch {
            guard error.code == .notFound else { throw error }
            return true
        }
    }
}
