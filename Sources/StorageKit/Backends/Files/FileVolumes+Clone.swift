import DiskImages

extension FileVolumes {
    func content(of name: String) throws(StorageError) -> VolumeContent {
        let found = try volume(named: name)
        guard found.definition.kind == .file else {
            throw StorageError(
                .notSupported,
                "volume '\(name)' of pool '\(poolName)' is a directory and has no content"
            )
        }
        let chain = try ImageChainOpener(volumes: VolumeDirectory(self)).chain(name)
        for (number, layer) in chain.layers.enumerated() {
            guard try !layer.file.file.tryLock(exclusive: false) else { continue }
            throw busy(name, layer.file.file, backing: number == 0 ? nil : layer.file.path)
        }
        return VolumeContent(found, chain, assumption: .file(found.path, try chain.layers[0].file.file.status()))
    }

    func outlineClone(of source: VolumeContent, as definition: VolumeDefinition) throws(StorageError) -> PlanOutline {
        let definition = try completed(definition, from: source)
        var outline = try outlineCreation(of: definition, isCopy: true)
        let images = source.chain.layers.count
        outline.steps.append(
            .init(
                "copy volume",
                source.volume.path,
                detail: "\(source.capacity)"
                    + (images > 1 ? ", of \(images) images that are flattened" : "")
                    + (definition.compression.map { ", compressed by \($0.rawValue)" } ?? "")
            )
        )
        outline.assumptions.append(source.assumption)
        return outline
    }

    func cloneVolume(
        _ source: VolumeContent,
        as wanted: VolumeDefinition,
        following outline: PlanOutline,
        progress: ProgressMeter,
        cancellation: Cancellation
    ) throws(StorageError) -> Volume {
        try outline.checkUnchanged(
            outlineClone(of: source, as: wanted),
            object: "volume '\(wanted.name)' or its source"
        )
        let definition = try completed(wanted, from: source)
        let creation = try imageCreation(definition)
        progress.setTotal(source.capacity)
        return try make(definition, creation, allocating: source.volume.allocation) {
            file,
            makeFile throws(StorageError) in
            if try shares(source, with: file, wanted, creation) {
                return progress.advance(by: source.capacity)
            }
            let writer = try creation.writer(to: file, makeFile: makeFile)
            try ImageCopier(source.chain, to: writer, as: creation, cancellation: cancellation) {
                progress.advance(by: ByteCount($0))
            }
            .run()
        }
    }

    /// Lets the new file share the blocks of the source's, where it is to be the same byte by byte.
    private func shares(
        _ source: VolumeContent,
        with file: ImageFile,
        _ wanted: VolumeDefinition,
        _ creation: ImageCreation
    ) throws(StorageError) -> Bool {
        let image = source.chain.layers[0].description
        guard source.chain.layers.count == 1, image.format == creation.format, creation.compression == nil,
            wanted.preallocation == nil, image.dataFiles.isEmpty, !image.isDirty, !image.isCorrupt
        else { return false }
        switch image.format {
        case .raw:
            guard try file.file.share(source.chain.layers[0].file.file) else { return false }
            // The same size, unless a larger one is asked for.
            try file.file.setSize(ByteCount(creation.virtualSize))
            return true
        case .qcow2:
            // Its snapshots, its cluster size and what else it has come along.
            guard creation.virtualSize == image.virtualSize.bytes,
                wanted.clusterSize == nil || wanted.clusterSize == image.clusterSize,
                wanted.compatibility == nil || wanted.compatibility == image.compatibility,
                wanted.features == nil || wanted.features == source.volume.definition.features
            else { return false }
            return try file.file.share(source.chain.layers[0].file.file)
        default: return false
        }
    }

    /// The size is the source's where none is given; so is the format.
    private func completed(
        _ definition: VolumeDefinition,
        from source: VolumeContent
    ) throws(StorageError) -> VolumeDefinition {
        var definition = definition
        guard definition.backingFile == nil else {
            throw StorageError(
                .notSupported,
                "volume '\(definition.name)': a copy holds all of its source, and has no backing file",
                hint: "make a volume with a backing file instead"
            )
        }
        definition.format = definition.format ?? source.volume.definition.format
        let capacity = definition.capacity ?? source.capacity
        guard capacity >= source.capacity else {
            throw StorageError(
                .invalidArgument,
                "volume '\(definition.name)' of \(capacity.bytes) bytes does not hold the \(source.capacity.bytes) bytes of "
                    + "'\(source.volume.name)'",
                hint: "leave the capacity out to have the same"
            )
        }
        definition.capacity = capacity
        return definition
    }
}
