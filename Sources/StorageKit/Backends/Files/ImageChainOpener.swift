import DiskImages

/// Opens a volume's image with its backing files, as far as they may be trusted.
///
/// What is in a file that a guest can write is the guest's word. Files beneath the pool's directory are opened beneath it,
/// with the format that they were declared with. A path that leads out is followed where the volume was made with it, and
/// what an image outside names is followed where its format did not have to be guessed.
struct ImageChainOpener: Sendable {
    let volumes: VolumeDirectory

    /// - Parameter isWritten: Whether the image is to be written to.
    func open(_ name: String, isWritten: Bool = false) throws(StorageError) -> any DiskImage {
        let file = try volumes.directory.open(name, [isWritten ? .readWrite : .readOnly, .nonBlocking])
        return try image(adopting: file, named: name, isWritten: isWritten).image
    }

    /// Opens an image of a file that is open.
    func image(
        adopting file: consuming OpenFile,
        named name: String,
        format given: ImageFormat? = nil,
        isWritten: Bool = false
    ) throws(StorageError) -> (image: any DiskImage, record: VolumeRecord, isGuessed: Bool) {
        guard try file.status().kind == .regular else {
            throw StorageError(.notSupported, "'\(file.path)' is not a file")
        }
        let record = try VolumeRecord.read(of: file, named: name, in: volumes.directory)
        let content = try ImageFile(file, isChanging: isWritten)
        if let declared = record.declaredFormat?.imageFormat, let given, given != declared {
            throw StorageError(
                .invalidArgument,
                "'\(content.path)' was made as \(declared), and is taken for \(given) where it is a backing file",
                hint: "declare it as what it is with vol-declare",
                context: StorageError.Context(path: content.path)
            )
        }
        let format: ImageFormat
        if let known = record.declaredFormat?.imageFormat ?? given {
            format = known
            guard try known.isFormat(of: content) else {
                throw content.damaged("it was made as \(known), and is none", at: 0)
            }
        } else {
            format = try ImageFormat.probe(content)
        }
        guard let type = format.image else {
            throw StorageError(.notSupported, "images of format '\(format)' cannot be read")
        }
        let directory = volumes
        let prefix = Self.prefix(of: name)
        let opener = ImageOpener { name, image throws(StorageError) in
            guard case .beneath(let name) = BackingReference(name, in: directory.files.path, from: prefix) else {
                throw StorageError(
                    .outsidePool,
                    "'\(image.path)' has data in '\(name.printable)', which is outside pool '\(directory.files.poolName)'",
                    context: StorageError.Context(path: image.path)
                )
            }
            let file = try directory.directory.open(name, [isWritten ? .readWrite : .readOnly, .nonBlocking])
            return try ImageFile(file, isChanging: isWritten)
        }
        return (try type.init(content, opener: opener), record, record.declaredFormat == nil && given == nil)
    }

    /// Where a file is beneath the pool's directory: empty, or directories and a slash.
    private static func prefix(of name: String) -> String { name.splitPath.map { $0.parent + "/" } ?? "" }

    /// Opens the chain below an image.
    func chain(_ image: any DiskImage, _ record: VolumeRecord) throws(StorageError) -> ImageChain {
        var below = Below(record: record, directory: volumes.files.path, isInPool: true, isGuessed: false)
        return try ImageChain(image) { backing, file throws(StorageError) in
            try openBacking(backing, of: file, &below)
        }
    }

    func chain(_ name: String) throws(StorageError) -> ImageChain {
        let file = try volumes.directory.open(name, [.readOnly, .nonBlocking])
        let opened = try image(adopting: file, named: name)
        return try chain(opened.image, opened.record)
    }

    /// Opens a backing file that a user names for a new volume, and all that is below it.
    ///
    /// - Parameters:
    ///   - path: The backing file.
    ///   - format: Its format; nil is the one that it was declared with, or else looks like.
    ///   - name: The new volume.
    func declaredBacking(
        _ path: String,
        format: ImageFormat?,
        for name: String
    ) throws(StorageError) -> (image: any DiskImage, chain: ImageChain) {
        let place = try volumes.directory.open(".", [.readOnly, .directory], path: volumes.files.path(of: name))
        let top = try ImageFile(place, size: 0)
        var below = Below(
            record: VolumeRecord(declaredBackingPath: path),
            directory: volumes.files.path,
            isInPool: true,
            isGuessed: false
        )
        let image = try openBacking(ImageDescription.Backing(name: path, format: format), of: top, &below)
        let chain = try ImageChain(image) { backing, file throws(StorageError) in
            try openBacking(backing, of: file, &below)
        }
        return (image, chain)
    }

    /// The image whose backing file is opened next.
    private struct Below {
        var record: VolumeRecord
        var directory: String
        /// Where it is beneath the pool's directory: empty, or directories and a slash.
        var prefix = ""
        var isInPool: Bool
        /// Whether its format was guessed where its own image did not say.
        var isGuessed: Bool
    }

    private func openBacking(
        _ backing: ImageDescription.Backing,
        of image: ImageFile,
        _ below: inout Below
    ) throws(StorageError) -> any DiskImage {
        if below.isGuessed {
            throw StorageError(
                .notSupported,
                "'\(image.path)' has a backing file, and its own format is guessed: it is not followed",
                hint: "name the format where the image is made a backing file",
                context: StorageError.Context(path: image.path)
            )
        }
        let opened: (image: any DiskImage, record: VolumeRecord, isGuessed: Bool)
        switch BackingReference(backing.name, in: below.directory, from: below.prefix) {
        case .protocol:
            throw StorageError(
                .notSupported,
                "the backing file '\(backing.name.printable)' of '\(image.path)' is not a file of this host",
                context: StorageError.Context(path: image.path)
            )
        case .beneath(let name) where below.isInPool:
            let file = try openMissingNamed(backing, of: image) { () throws(StorageError) in
                try volumes.directory.open(name, [.readOnly, .nonBlocking])
            }
            opened = try self.image(adopting: file, named: name, format: backing.format)
            below.prefix = Self.prefix(of: name)
        case .beneath(let name):
            opened = try outside("\(below.directory)/\(name)", backing, of: image)
            below.directory = "\(below.directory)/\(name)".splitPath?.parent ?? "/"
        case .outside(let path):
            guard !below.isInPool || below.record.declaredBackingPath?.hasSameBytes(as: backing.name) == true else {
                throw StorageError(
                    .outsidePool,
                    "the backing file '\(path.printable)' of '\(image.path)' is outside pool "
                        + "'\(volumes.files.poolName)', and nobody declared it",
                    hint: "declare it with vol-declare if you trust it",
                    context: StorageError.Context(path: image.path)
                )
            }
            opened = try outside(path, backing, of: image)
            below.directory = path.splitPath?.parent ?? "/"
            below.prefix = ""
            below.isInPool = false
        }
        below.record = opened.record
        below.isGuessed = opened.isGuessed
        return opened.image
    }

    private func outside(
        _ path: String,
        _ backing: ImageDescription.Backing,
        of image: ImageFile
    ) throws(StorageError) -> (image: any DiskImage, record: VolumeRecord, isGuessed: Bool) {
        let file = try openMissingNamed(backing, of: image) { () throws(StorageError) in
            try OpenFile(path, [.readOnly, .nonBlocking])
        }
        guard try file.status().kind == .regular else {
            throw StorageError(.notSupported, "the backing file '\(path.printable)' is not a file")
        }
        let content = try ImageFile(file)
        let format = if let given = backing.format { given } else { try ImageFormat.probe(content) }
        guard let type = format.image, try format.isFormat(of: content) else {
            throw content.damaged("it is to be of format \(format), and is not", at: 0)
        }
        let refuseOthers = ImageOpener { name, image throws(StorageError) in
            throw StorageError(
                .notSupported,
                "'\(image.path)' has data in '\(name.printable)', and is outside the pool itself",
                context: StorageError.Context(path: image.path)
            )
        }
        return (try type.init(content, opener: refuseOthers), VolumeRecord(), backing.format == nil)
    }

    private func openMissingNamed(
        _ backing: ImageDescription.Backing,
        of image: ImageFile,
        _ open: () throws(StorageError) -> OpenFile
    ) throws(StorageError) -> OpenFile {
        do throws(StorageError) {
            return try open()
        } catch {
            guard error.code == .notFound else { throw error }
            throw StorageError(
                .notFound,
                "the backing file '\(backing.name.printable)' of '\(image.path)' does not exist",
                context: error.context,
                cause: error.cause
            )
        }
    }
}

extension FileVolumes {
    /// Why a volume's chain cannot be read; nil where it can.
    func chainProblem(of name: String) -> String? {
        do throws(StorageError) {
            _ = try ImageChainOpener(volumes: VolumeDirectory(self)).chain(name)
            return nil
        } catch {
            return error.description
        }
    }
}
