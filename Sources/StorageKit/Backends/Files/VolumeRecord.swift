/// What storlib remembers of a file volume beside its content.
///
/// It is an extended attribute of the file: it moves with the file, outlives a boot, is there before the file has a name,
/// and costs one system call to read. Root keeps it where no guest's process can write (`trusted.`, xattr(7)), other users
/// where they can (`user.`). Where the file system has no attributes it is a hidden file beside the volume.
struct VolumeRecord: Hashable, Sendable {
    /// The format that the volume was made with, whatever its content says now.
    var declaredFormat: VolumeFormat?
    /// The backing file that the volume was made with.
    var declaredBackingPath: String?
    /// The names of the files beside it that were made with it, and hold its data.
    var dataFiles: [String] = []
    /// Work on the content that was begun, and is not finished.
    var brokenWork: BrokenWork?
    /// Lines of a newer storlib, which are kept.
    private var otherLines: [String] = []

    init(declaredFormat: VolumeFormat? = nil, declaredBackingPath: String? = nil) {
        self.declaredFormat = declaredFormat
        self.declaredBackingPath = declaredBackingPath
    }

    /// What a user is to know of the volume's content.
    var problem: String? { brokenWork?.problem }

    /// What a file has been given; nothing where it has no record.
    ///
    /// - Parameters:
    ///   - file: The volume, open for reading.
    ///   - name: Its name.
    ///   - directory: The directory that it is in.
    /// - Throws: `StorageError` where there is a record that cannot be read: nobody knows then what was declared.
    static func read(
        of file: borrowing OpenFile,
        named name: String,
        in directory: borrowing OpenFile
    ) throws(StorageError) -> VolumeRecord {
        do throws(StorageError) {
            return try file.attribute(attributeName).map { VolumeRecord(parsing: $0) } ?? VolumeRecord()
        } catch {
            guard error.code == .notSupported else { throw error }
        }
        do throws(StorageError) {
            let file = try directory.open(fileName(for: name), [.readOnly, .noFollow, .nonBlocking])
            return try VolumeRecord(parsing: file.readAll(limit: OpenFile.attributeLimit))
        } catch {
            // A name that is too long for a record beside it has none.
            guard error.code == .notFound || error.code == .invalidArgument else { throw error }
            return VolumeRecord()
        }
    }

    /// Gives a file this record; an empty one is taken away.
    ///
    /// It lasts through a crash once the caller has synchronised the file; where it is a file of its own, at once.
    ///
    /// - Throws: `StorageError` where it cannot be kept.
    func write(
        to file: borrowing OpenFile,
        named name: String,
        in directory: borrowing OpenFile
    ) throws(StorageError) {
        let bytes = bytes
        do throws(StorageError) {
            guard !bytes.isEmpty else { return try file.removeAttribute(Self.attributeName) }
            return try file.setAttribute(Self.attributeName, to: bytes)
        } catch {
            guard error.code == .notSupported else { throw error }
        }
        guard !bytes.isEmpty else { return Self.removeFile(for: name, in: directory) }
        try directory.replace(Self.fileName(for: name), with: bytes, mode: 0o600)
    }

    /// Removes the file of a volume's record, where there is one; what stays is swept up.
    static func removeFile(for name: String, in directory: borrowing OpenFile) {
        try? directory.remove(fileName(for: name))
    }

    static let filePrefix = ".storlib-record-"

    static func fileName(for name: String) -> String { filePrefix + name }

    private static let attributeName = Environment.mayTrustAttributes ? "trusted.storlib" : "user.storlib"
}

extension VolumeRecord {
    /// Reads lines of a key, an equals sign and a value.
    ///
    /// What makes no sense is kept as it is and means nothing.
    init(parsing bytes: [UInt8]) {
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let value = parts.count == 2 ? String(parts[1]) : ""
            switch parts[0] {
            case "format" where !value.isEmpty: declaredFormat = VolumeFormat(rawValue: value)
            case "backing" where !value.isEmpty: declaredBackingPath = Self.unescaped(value)
            case "data" where !value.isEmpty: dataFiles.append(Self.unescaped(value))
            case "broken": brokenWork = BrokenWork(value)
            default: otherLines.append(String(line))
            }
        }
    }

    var bytes: [UInt8] {
        var lines: [String] = []
        if let declaredFormat { lines.append("format=" + declaredFormat.rawValue) }
        if let declaredBackingPath { lines.append("backing=" + Self.escaped(declaredBackingPath)) }
        lines += dataFiles.map { "data=" + Self.escaped($0) }
        if let brokenWork { lines.append("broken=" + brokenWork.text) }
        return Array((lines + otherLines).joined(separator: "\n").utf8)
    }

    /// A path may have a newline.
    private static func escaped(_ path: String) -> String {
        path.replacing("%", with: "%25").replacing("\n", with: "%0A")
    }

    private static func unescaped(_ text: String) -> String {
        text.replacing("%0A", with: "\n").replacing("%25", with: "%")
    }
}
