/// A change of a volume's content, which cannot be undone: while it lasts the volume says that it is broken.
///
/// The mark is on the disk before the first byte changes, and goes when the last one is on the disk: whatever ends the
/// program between leaves a volume that says so.
struct VolumeRewrite: ~Copyable {
    let file: OpenFile
    private let directory: OpenFile
    private let name: String
    private let work: BrokenWork
    private let before: VolumeRecord

    /// Marks a volume, whose file is locked.
    static func begin(
        _ work: BrokenWork,
        of file: consuming OpenFile,
        named name: String,
        in directory: consuming OpenFile
    ) throws(StorageError) -> VolumeRewrite {
        let before = try VolumeRecord.read(of: file, named: name, in: directory)
        var record = before
        record.brokenWork = before.brokenWork.map { work.joined(with: $0) } ?? work
        try record.write(to: file, named: name, in: directory)
        try file.synchronize()
        return VolumeRewrite(file: file, directory: directory, name: name, work: work, before: before)
    }

    /// Takes the mark away, once all is written.
    ///
    /// - Parameters:
    ///   - end: Where the work ended.
    ///   - isToSourceEnd: Whether it was to go as far as its source.
    ///   - control: A signal that ends the source as well may be heard only after the source's end.
    ///   - change: What else there is to remember.
    func finish(
        at end: UInt64,
        isToSourceEnd: Bool,
        _ control: TransferControl,
        _ change: (inout VolumeRecord) -> Void = { _ in }
    ) throws(StorageError) {
        try file.synchronize()
        try control.cancellation.check()
        var record = before
        if let broken = before.brokenWork {
            var brokenEnd = end
            if let known = broken.end {
                brokenEnd = known
            } else if !isToSourceEnd {
                brokenEnd = try file.status().size.bytes
            }
            // A source may end before the part that it was for: the part counts then.
            if work.start <= broken.start, max(end, work.end ?? end) >= brokenEnd { record.brokenWork = nil }
        }
        change(&record)
        try record.write(to: file, named: name, in: directory)
        try file.synchronize()
    }
}

extension FileVolumes {
    /// The error of work that has left a volume half done.
    func halfDone(_ error: StorageError, _ kind: BrokenWork.Kind, _ name: String) -> StorageError {
        let (object, way) =
            switch kind {
            case .upload:
                (
                    "the upload to volume '\(name)' of pool '\(poolName)'",
                    "the volume is partly old and partly new, and says so until it is uploaded again"
                )
            case .wipe:
                (
                    "the wipe of volume '\(name)' of pool '\(poolName)'",
                    "the volume is partly wiped, and says so until it is wiped or uploaded again"
                )
            }
        return StorageError(
            error.code,
            error.code == .cancelled ? "\(object) was cancelled" : "\(object) was broken off: \(error.message)",
            hint: error.hint.map { "\($0); \(way)" } ?? way,
            context: error.context,
            cause: error.cause
        )
    }
}
