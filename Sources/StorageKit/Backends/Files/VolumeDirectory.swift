import DiskImages
import NameBasedUUID

/// The directory of a pool's file volumes, open, and what is read of them; any thread may read.
final class VolumeDirectory: Sendable {
    let files: FileVolumes
    let directory: OpenFile
    private let readsLabels: Bool

    init(_ files: FileVolumes) throws(StorageError) {
        self.files = files
        directory = try files.openDirectory()
        readsLabels = FileVolumes.readsLabels
    }

    /// The volume of a name; nil for what cannot be one.
    ///
    /// - Parameter kind: What the name is, where the directory says.
    func read(_ name: String, kind: FileStatus.Kind? = nil) throws(StorageError) -> Volume? {
        var kind = kind
        if kind == nil { kind = try directory.status(of: name).kind }
        let isLink = kind == .symbolicLink
        if isLink {
            // Beneath the directory only: a link that leads out is no volume of this pool.
            guard let place = try? directory.open(name, .place).status() else { return nil }
            kind = place.kind
        }
        switch kind {
        case .directory:
            let status = try directory.open(name, .place).status()
            guard status.kind == .directory else { return nil }
            return volume(name, status, label: readsLabels ? label(of: name) : nil)
        case .regular: return try readFile(name, isLink: isLink)
        default: return nil
        }
    }

    private func readFile(_ name: String, isLink: Bool) throws(StorageError) -> Volume? {
        let file: OpenFile
        do throws(StorageError) {
            file =
                try isLink
                ? directory.open(name, [.readOnly, .nonBlocking])
                : directory.openEntry(name, [.readOnly, .nonBlocking])
        } catch {
            guard error.code == .permissionDenied else { throw error }
            var volume = try volume(name, directory.open(name, .place).status(), label: nil)
            volume.problem = "the file cannot be looked into: permission denied"
            return volume
        }
        return try read(name, in: file)
    }

    /// The volume of a name that is, or will be, that of a file that is open.
    func read(_ name: String, in file: consuming OpenFile) throws(StorageError) -> Volume? {
        let status = try file.status()
        // It may have become something else meanwhile.
        guard status.kind == .regular else { return nil }
        let label = readsLabels ? file.securityLabel() : nil
        var found = volume(name, status, label: label)
        do throws(StorageError) {
            let record = try VolumeRecord.read(of: file, named: name, in: directory)
            found.problem = record.problem
            try describe(&found, record, file)
        } catch {
            found.problem = found.problem ?? error.description
        }
        return found
    }

    /// Adds what the image says of itself.
    ///
    /// A volume that was made raw is not looked into.
    private func describe(
        _ volume: inout Volume,
        _ record: VolumeRecord,
        _ file: consuming OpenFile
    ) throws(StorageError) {
        let declared = record.declaredFormat?.imageFormat
        volume.formatOrigin = declared == nil ? .probed : .declared
        if declared == .raw || declared == nil && Self.isAllHole(volume) {
            volume.definition.format = .raw
            volume.definition.capacity = volume.physicalSize
            volume.image = ImageDescription(format: .raw, virtualSize: volume.physicalSize)
            return
        }
        let content = try ImageFile(file, size: volume.physicalSize.bytes)
        let format: ImageFormat
        if let declared {
            format = declared
            volume.definition.format = VolumeFormat(declared)
            guard try declared.isFormat(of: content) else {
                throw content.damaged("it was made as \(declared), and is none", at: 0)
            }
        } else {
            format = try ImageFormat.probe(content)
            volume.definition.format = VolumeFormat(format)
        }
        let image = try format.describe(content)
        volume.image = image
        volume.definition.describe(image, directory: files.path)
        if volume.problem == nil { volume.problem = problem(of: image, record) }
    }

    /// Whether nothing was ever written to a file: there is nothing to recognise, and reading it would fill memory with zeros.
    ///
    /// A file system keeps small content with the inode, and counts no blocks for it.
    private static func isAllHole(_ volume: Volume) -> Bool {
        volume.allocation == .zero && volume.physicalSize > .kibibytes(64)
    }

    private func problem(of image: ImageDescription, _ record: VolumeRecord) -> String? {
        if image.isCorrupt { return "the image is marked as corrupt: check it" }
        guard let backing = image.backing else { return nil }
        switch BackingReference(backing.name, in: files.path) {
        case .beneath: return nil
        case .outside(let path):
            if record.declaredBackingPath?.hasSameBytes(as: backing.name) == true { return nil }
            return
                "its backing file '\(path.printable)' is outside the pool, and nobody declared it: it is not looked at"
        case .protocol:
            return "its backing file '\(backing.name.printable)' is not a file of this host, and is not looked at"
        }
    }

    private func volume(_ name: String, _ status: FileStatus, label: String?) -> Volume {
        let isDirectory = status.kind == .directory
        let path = files.path(of: name)
        var definition = VolumeDefinition(
            name: name,
            capacity: .zero,
            allocation: status.allocated,
            format: isDirectory ? .dir : nil
        )
        definition.kind = isDirectory ? .directory : .file
        definition.key = path
        definition.path = path
        definition.uuid = files.poolUUID.flatMap { StorageUUID(namespace: $0, name: path) }
        definition.permissions = Permissions(status, label: label)
        return Volume(
            definition: definition,
            physicalSize: isDirectory ? .zero : status.size,
            timestamps: Volume.Timestamps(
                accessed: status.accessed,
                modified: status.modified,
                changed: status.changed,
                born: status.born
            )
        )
    }

    private func label(of name: String) -> String? {
        (try? directory.open(name, [.readOnly, .nonBlocking]))?.securityLabel()
    }
}

extension VolumeDefinition {
    /// Takes over what an image says of itself, as far as a document has a place for it.
    fileprivate mutating func describe(_ image: ImageDescription, directory: String) {
        capacity = image.virtualSize
        if image.format == .qcow2 {
            compatibility = image.compatibility
            clusterSize = image.clusterSize
            // libvirt prints the element for every image of level 1.1.
            if compatibility == "1.1" {
                features = image.features.isEmpty ? [] : Set(image.features.compactMap { VolumeFeature(rawValue: $0) })
            }
        }
        backingFile = image.backing.map { backing in
            var path = backing.name
            switch BackingReference(backing.name, in: directory) {
            case .beneath(let name):
                path = directory.utf8.last == UInt8(ascii: "/") ? directory + name : "\(directory)/\(name)"
            case .outside(let resolved): path = resolved
            case .protocol: break
            }
            return BackingFile(path: path, format: backing.format.map { VolumeFormat($0) })
        }
        switch (image.format, image.encryption) {
        case (.luks, _): encryption = VolumeEncryption(format: .luks)
        case (.luks2, _): encryption = VolumeEncryption(format: .luks2)
        case (_, "aes"): encryption = VolumeEncryption(format: .qcow)
        case (_, "luks"): encryption = VolumeEncryption(format: .luks)
        default: break
        }
    }
}
