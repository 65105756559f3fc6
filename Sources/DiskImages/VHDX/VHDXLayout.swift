internal import StorageBase

/// The structures of a VHDX file, but for its blocks.
struct VHDXLayout {
    let headers: VHDXHeaders
    let regions: VHDXRegionTable
    let metadata: VHDXMetadata
    let table: VHDXTable
    let source: VHDXSource

    /// Reads the structures.
    ///
    /// - Parameter replaysLog: Whether to read the log, and to look at the file as it is with it.
    init(_ file: ImageFile, replaysLog: Bool) throws(StorageError) {
        guard VHDXImage.recognizes(head: file.head) else {
            throw file.damaged("it does not begin as a VHDX file does", at: 0)
        }
        headers = try VHDXHeaders(file)
        var source = VHDXSource(file: file)
        if replaysLog, headers.current.hasLog { source.log = try VHDXLog(file, headers.current) }
        self.source = source
        regions = try VHDXRegionTable(source, log: headers.current.logRange)
        metadata = try VHDXMetadata(source, regions.metadata)
        table = VHDXTable(
            blockSize: metadata.blockSize,
            logicalSectorSize: metadata.logicalSectorSize,
            isDifferencing: metadata.parentName != nil
        )
        guard table.entryCount(for: metadata.virtualSize) * 8 <= regions.table.upperBound - regions.table.lowerBound
        else {
            throw file.damaged(
                "the block allocation table is too small for a disk of \(metadata.virtualSize) bytes",
                at: regions.table.lowerBound
            )
        }
    }

    var imageDescription: ImageDescription {
        var description = ImageDescription(format: .vhdx, virtualSize: ByteCount(metadata.virtualSize))
        description.version = "\(headers.current.version)"
        description.subformat =
            metadata.parentName != nil ? "differencing" : metadata.isFixed ? "fixed" : "dynamic"
        description.clusterSize = ByteCount(metadata.blockSize)
        description.backing = metadata.parentName.map { ImageDescription.Backing(name: $0, format: .vhdx) }
        description.isDirty = headers.current.hasLog
        description.isCorrupt = headers.otherIsDamaged || !regions.damagedCopies.isEmpty
        return description
    }

    /// The parts of the file in which no block may lie.
    var reserved: [Range<UInt64>] {
        [0..<VHDXHeader.sectionLength, headers.current.logRange, regions.table, regions.metadata]
    }
}
