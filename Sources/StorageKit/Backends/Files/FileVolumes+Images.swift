import DiskImages

/// Looking into images, and changing them in place.
extension FileVolumes {
    func map(of name: String, cancellation: Cancellation) throws(StorageError) -> ImageMap {
        try ImageMap(content(of: name).chain, cancellation: cancellation)
    }

    func check(_ name: String, repairingLeaks: Bool, cancellation: Cancellation) throws(StorageError) -> ImageCheck {
        let image = try openImage(name, isWritten: repairingLeaks)
        var check = ImageCheck()
        try image.check(&check, cancellation: cancellation)
        guard repairingLeaks, check.leakCount > 0 else { return check }
        guard let repairable = image as? any RepairableImage else {
            throw StorageError(
                .notSupported,
                "leaks in images of format '\(image.description.format)' cannot be repaired"
            )
        }
        let repaired = try repairable.repairLeaks(cancellation: cancellation)
        check = ImageCheck()
        try openImage(name, isWritten: false, isLocked: true).check(&check, cancellation: cancellation)
        check.repairedCount = repaired
        return check
    }

    /// Opens a volume's image without its backing files, and keeps those who obey its lock from writing.
    private func openImage(
        _ name: String,
        isWritten: Bool,
        isLocked: Bool = false
    ) throws(StorageError) -> any DiskImage {
        guard try volume(named: name).definition.kind == .file else {
            throw StorageError(.notSupported, "volume '\(name)' of pool '\(poolName)' is a directory and no image")
        }
        let image = try ImageChainOpener(volumes: VolumeDirectory(self)).open(name, isWritten: isWritten)
        if !isLocked {
            guard try image.file.file.tryLock(exclusive: isWritten) else { throw busy(name, image.file.file) }
        }
        return image
    }

    /// What resizing an image that is not raw would do.
    func outlineImageResize(_ volume: Volume, to size: VolumeSize) throws(StorageError) -> PlanOutline {
        let image = try ImageChainOpener(volumes: VolumeDirectory(self)).open(volume.name)
        guard let resizable = image as? any ResizableImage else {
            throw StorageError(
                .notSupported,
                "volume '\(volume.name)': images of format '\(image.description.format)' cannot change their size",
                hint: "copy it to a larger volume instead"
            )
        }
        if size.allocates {
            throw StorageError(
                .notSupported,
                "volume '\(volume.name)': what an image of format '\(image.description.format)' gains cannot be allocated",
                hint: "resize it without; its clusters are allocated when a guest writes"
            )
        }
        let capacity = try size.capacity(of: volume)
        try resizable.validateResize(to: capacity.bytes)
        if capacity > volume.capacity { try checkGrowth(volume) }
        var steps: [PlanOutline.Step] = []
        if capacity != volume.capacity {
            steps.append(
                .init(
                    capacity < volume.capacity ? "shrink image" : "grow image",
                    volume.path,
                    detail: "\(volume.capacity) to \(capacity)"
                )
            )
        }
        return PlanOutline(
            steps: steps,
            assumptions: [.file(volume.path, try image.file.file.status(), size: volume.capacity)]
        )
    }

    /// What is gained is to read as zeros: a backing file that is larger would show through.
    private func checkGrowth(_ volume: Volume) throws(StorageError) {
        guard volume.image?.backing != nil else { return }
        let chain = try ImageChainOpener(volumes: VolumeDirectory(self)).chain(volume.name)
        guard chain.layers.count > 1, chain.layers[1].virtualSize > volume.capacity.bytes else { return }
        throw StorageError(
            .notSupported,
            "volume '\(volume.name)' of \(volume.capacity) cannot grow: its backing file of "
                + "\(ByteCount(chain.layers[1].virtualSize)) is larger, and would show through",
            hint: "clone it, which leaves it without a backing file, and grow the copy"
        )
    }

    func resizeImage(
        _ volume: Volume,
        to size: VolumeSize,
        following outline: PlanOutline,
        cancellation: Cancellation
    ) throws(StorageError) {
        let image = try openImage(volume.name, isWritten: true)
        try outline.checkUnchanged(outlineImageResize(volume, to: size), object: "volume '\(volume.name)'")
        let capacity = try size.capacity(of: volume)
        guard capacity != volume.capacity, let resizable = image as? any ResizableImage else { return }
        try resizable.resize(to: capacity.bytes, cancellation: cancellation)
    }
}
