package import StorageBase

extension VMDKImage: CreatableImage {
    /// The varieties that are made, by their names in descriptors.
    private enum Subformat: String, CaseIterable {
        case monolithicSparse
        case monolithicFlat
        case streamOptimized
    }

    /// Grains have places of 32 bits, in sectors; VMware's extents have no larger capacity.
    static let maximumSparseSize: UInt64 = 1 << 41

    package static func validate(_ creation: ImageCreation) throws(StorageError) {
        try creation.refuseOptions(
            preallocations: [.off, .falloc, .full],
            subformats: Subformat.allCases.map(\.rawValue),
            backing: true,
            compression: true
        )
        let subformat = subformat(of: creation)
        if subformat != .monolithicFlat, creation.preallocation != .off {
            throw unsupported(creation, "preallocation", .monolithicFlat)
        }
        if let compression = creation.compression, subformat != .streamOptimized || compression != .zlib {
            throw unsupported(creation, "clusters compressed with \(compression.rawValue)", .streamOptimized)
        }
        if let backing = creation.backing {
            guard subformat == .monolithicSparse else { throw unsupported(creation, "backing file", .monolithicSparse) }
            try validate(name: backing.name)
            guard backing.format == nil || backing.format == .vmdk else {
                throw StorageError(
                    .invalidArgument,
                    "the backing file '\(backing.name.printable)' of a vmdk image cannot be of another format"
                )
            }
        }
        if subformat == .monolithicFlat { try validate(name: creation.name) }
        guard creation.virtualSize > 0 else {
            throw StorageError(
                .invalidArgument,
                "a vmdk image of 0 bytes cannot be opened by any program",
                hint: "it has at least 1 byte"
            )
        }
        let whole = ByteCount.maximum.bytes / VMDKHeader.sectorSize * VMDKHeader.sectorSize
        let limit = subformat == .monolithicFlat ? whole : maximumSparseSize
        guard creation.virtualSize <= limit else {
            throw creation.tooLarge(
                limit: limit,
                subformat == .monolithicFlat ? "the most that a file can have" : "as a sparse extent has"
            )
        }
    }

    package static func writer(
        _ creation: ImageCreation,
        to file: ImageFile,
        makeFile: (String) throws(StorageError) -> ImageFile
    ) throws(StorageError) -> any ImageWriter {
        // QEMU's images have whole sectors.
        let sectors = VMDKHeader.sectors(of: creation.virtualSize)
        switch subformat(of: creation) {
        case .monolithicSparse:
            return VMDKSparseWriter(
                sectors: sectors,
                name: extentName(creation.name),
                parent: try parent(creation),
                to: file
            )
        case .streamOptimized:
            return VMDKStreamWriter(sectors: sectors, name: extentName(creation.name), to: file)
        case .monolithicFlat:
            let name = flatName(creation.name)
            return try VMDKFlatWriter(sectors: sectors, name: name, data: makeFile(name), to: file)
        }
    }

    private static func subformat(of creation: ImageCreation) -> Subformat {
        creation.subformat.flatMap { Subformat(rawValue: $0) } ?? .monolithicSparse
    }

    private static func unsupported(_ creation: ImageCreation, _ option: String, _ other: Subformat) -> StorageError {
        StorageError(
            .notSupported,
            "a vmdk image of subformat '\(subformat(of: creation).rawValue)' has no \(option)",
            hint: "subformat '\(other.rawValue)' is for that"
        )
    }

    /// Descriptors have names in quotation marks, and no way to write one in a name.
    private static func validate(name: String) throws(StorageError) {
        guard !name.containsControlCharacters, !name.utf8.contains(UInt8(ascii: "\"")),
            name.utf8.count <= VMDKDescriptor.maximumNameLength
        else {
            throw StorageError(
                .invalidName,
                "the name '\(name.printable)' cannot stand in a vmdk image",
                hint: "it has no quotation marks and control characters, "
                    + "and at most \(VMDKDescriptor.maximumNameLength) bytes"
            )
        }
    }

    /// The name of the extent that is the image's own file: a reader knows it, and need not find it by its name.
    private static func extentName(_ name: String) -> String {
        do throws(StorageError) {
            try validate(name: name)
            return name
        } catch {
            return "disk.vmdk"
        }
    }

    private static func parent(_ creation: ImageCreation) throws(StorageError) -> (name: String, identifier: UInt32)? {
        guard let backing = creation.backing else { return nil }
        guard let file = creation.backingFile, recognizes(head: file.head) else {
            throw StorageError(
                .invalidArgument,
                "the backing file '\(backing.name.printable)' is no vmdk image, and a vmdk image wants one"
            )
        }
        return (backing.name, try contentIdentifier(of: file))
    }

    /// `NAME-flat.EXTENSION`, as VMware and QEMU have it.
    private static func flatName(_ name: String) -> String {
        guard let dot = name.utf8.lastIndex(of: UInt8(ascii: ".")) else { return name + "-flat" }
        return "\(name[..<dot])-flat\(name[dot...])"
    }
}
