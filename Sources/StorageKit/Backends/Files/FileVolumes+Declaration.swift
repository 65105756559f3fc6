import DiskImages

extension FileVolumes {
    func outlineDeclaration(of name: String, format: VolumeFormat) throws(StorageError) -> PlanOutline {
        let volume = try volume(named: name)
        guard volume.definition.kind == .file else {
            throw StorageError(.notSupported, "volume '\(name)' of pool '\(poolName)' is a directory and has no format")
        }
        let file = try openDirectory().open(name, [.readOnly, .nonBlocking])
        let status = try file.status()
        let backing = try declared(file, format)
        let detail = "\(format)" + (backing.map { ", on \($0.printable)" } ?? "")
        return PlanOutline(
            steps: [.init("declare format", volume.path, detail: detail)],
            assumptions: [.file(volume.path, status, size: status.size)]
        )
    }

    func declareVolume(_ name: String, format: VolumeFormat, following outline: PlanOutline) throws(StorageError) {
        let directory = try openDirectory()
        let file = try openExclusively(name, in: directory)
        try outline.checkUnchanged(outlineDeclaration(of: name, format: format), object: "volume '\(name)'")
        var record = try VolumeRecord.read(of: file, named: name, in: directory)
        record.declaredFormat = format
        record.declaredBackingPath = try declared(file.duplicate(), format)
        try record.write(to: file, named: name, in: directory)
        try file.synchronize()
    }

    /// The backing file that the header names.
    ///
    /// - Throws: `StorageError` where the content is not of the format.
    private func declared(_ file: consuming OpenFile, _ format: VolumeFormat) throws(StorageError) -> String? {
        guard let image = format.imageFormat, image.image != nil else {
            throw StorageError(
                .invalidArgument,
                "'\(format.rawValue.printable)' is no format of images",
                hint: "formats are \(ImageFormat.allCases.map(\.rawValue).joined(separator: ", "))"
            )
        }
        let content = try ImageFile(file)
        guard try image.isFormat(of: content) else {
            throw content.damaged("it is no image of format \(image)", at: 0)
        }
        return try image.describe(content).backing?.name
    }
}
