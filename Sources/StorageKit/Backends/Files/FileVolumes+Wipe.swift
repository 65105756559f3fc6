extension FileVolumes {
    func outlineWipe(
        of name: String,
        _ algorithm: WipeAlgorithm,
        isForced: Bool
    ) throws(StorageError) -> PlanOutline {
        let volume = try volume(named: name)
        try requireFile(volume, to: "wipe")
        if let data = volume.image?.dataFiles.first, volume.definition.format != .raw {
            throw StorageError(
                .notSupported,
                "volume '\(name)' of pool '\(poolName)' has its data in '\(data.printable)', and a wipe would not reach it",
                hint: "wipe that file's volume"
            )
        }
        let file = try openDirectory().open(name, [.readOnly, .nonBlocking], action: "open volume '\(name)'")
        let status = try file.status()
        if !isForced, algorithm != .trim, let reason = try file.reasonNotToOverwrite(size: status.size.bytes) {
            throw StorageError(
                .notSupported,
                "volume '\(name)' of pool '\(poolName)' cannot be wiped: \(reason), and its old content would stay on the disk",
                hint: "force the wipe where it is enough that nobody reads the old content by way of this volume",
                context: StorageError.Context(path: volume.path)
            )
        }
        return PlanOutline(
            steps: [
                algorithm == .trim
                    ? .init("deallocate file", volume.path, detail: "\(volume.allocation)")
                    : .init("overwrite file", volume.path, detail: "\(volume.allocation), \(algorithm.description)")
            ],
            assumptions: [.file(volume.path, status, size: status.size)]
        )
    }

    func wipeVolume(
        _ name: String,
        _ algorithm: WipeAlgorithm,
        isForced: Bool,
        following outline: PlanOutline,
        _ control: TransferControl
    ) throws(StorageError) {
        let directory = try openDirectory()
        let file = try openExclusively(name, in: directory)
        try outline.checkUnchanged(outlineWipe(of: name, algorithm, isForced: isForced), object: "volume '\(name)'")
        let isRaw = try volume(named: name).definition.format == .raw
        let size = try file.status().size.bytes
        try control.cancellation.check()
        let work = BrokenWork(.wipe, from: 0, to: size)
        let rewrite = try VolumeRewrite.begin(work, of: file, named: name, in: directory)
        do throws(StorageError) {
            if algorithm == .trim {
                try rewrite.file.trim(size: size, control)
            } else {
                try rewrite.file.overwrite(algorithm.passes, size: size, control)
            }
            try rewrite.finish(at: size, isToSourceEnd: false, control) { record in
                record.brokenWork = nil
                // An image of which nothing is left is no image.
                if !isRaw {
                    record.declaredFormat = .raw
                    record.declaredBackingPath = nil
                }
            }
        } catch {
            throw halfDone(error, .wipe, name)
        }
    }
}

extension OpenFile {
    /// What is given back between two looks at the cancellation.
    private static let trimStep: UInt64 = 1 << 30
    /// Larger than the blocks of any file system: the last of the file's goes too.
    private static let trimUnit: UInt64 = 1 << 20

    fileprivate func trim(size: UInt64, _ control: TransferControl) throws(StorageError) {
        control.progress.setTotal(ByteCount(size))
        var position: UInt64 = 0
        while position < size {
            try control.cancellation.check()
            let count = min(Self.trimStep, size - position)
            try deallocate(offset: position, length: (count + Self.trimUnit - 1) / Self.trimUnit * Self.trimUnit)
            position += count
            control.advance(by: count)
        }
    }
}

extension WipeAlgorithm {
    /// The passes in words: `4 passes: random, random, 0x00, verified`.
    fileprivate var description: String {
        let words = passes.map { pass in
            switch pass {
            case .pattern(let bytes):
                "0x" + bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            case .random: "random"
            case .verification: "verified"
            }
        }
        let count = words.count == 1 ? "1 pass" : "\(words.count) passes"
        return words.count > 9 ? "\(count) of \(rawValue)" : "\(count): \(words.joined(separator: ", "))"
    }
}
