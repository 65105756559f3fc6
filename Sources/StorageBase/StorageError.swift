/// What went wrong, on which object, and the way out.
///
/// Every throwing function of storlib throws this one type. Decide on ``code``, show ``description``: one line,
/// without a trailing full stop.
public struct StorageError: Error, Sendable {
    private final class Storage: Sendable {
        let code: Code
        let message: String
        let hint: String?
        let context: Context
        let cause: (any Error)?

        init(code: Code, message: String, hint: String?, context: Context, cause: (any Error)?) {
            self.code = code
            self.message = message
            self.hint = hint
            self.context = context
            self.cause = cause
        }
    }

    private let storage: Storage

    /// Makes an error.
    ///
    /// - Parameters:
    ///   - code: The kind of failure.
    ///   - message: A clause that names what failed and on which object.
    ///   - hint: A clause that names the way out, where there is one.
    ///   - context: The place: file, line and column of a document, byte offset, operation.
    ///   - cause: The error underneath: of the system, or of a C library.
    public init(
        _ code: Code,
        _ message: String,
        hint: String? = nil,
        context: Context = Context(),
        cause: (any Error)? = nil
    ) {
        storage = Storage(code: code, message: message, hint: hint, context: context, cause: cause)
    }

    /// The kind of failure.
    public var code: Code { storage.code }

    /// What failed, on which object.
    public var message: String { storage.message }

    /// The way out, where there is one.
    public var hint: String? { storage.hint }

    /// The place of the failure.
    public var context: Context { storage.context }

    /// The error underneath: of the system, or of a C library.
    public var cause: (any Error)? { storage.cause }
}

extension StorageError: CustomStringConvertible {
    /// The place, the message and the hint in one line: `pool.xml:7:5: <capacity> wants …`.
    public var description: String {
        let place = context.documentPosition.map { "\($0): " } ?? ""
        let way = hint.map { "; \($0)" } ?? ""
        return "\(place)\(message)\(way)"
    }
}

extension StorageError {
    /// Where an error occurred; each part that is not known is nil.
    public struct Context: Sendable, Hashable {
        /// The file, directory or document.
        public var path: String?
        /// The line in a document, from 1.
        public var line: Int?
        /// The column in a document in bytes, from 1.
        public var column: Int?
        /// The offset in a file or on a device.
        public var byteOffset: ByteCount?
        /// The system call or C function that failed.
        public var operation: String?

        /// Makes a context of the parts that are known.
        public init(
            path: String? = nil,
            line: Int? = nil,
            column: Int? = nil,
            byteOffset: ByteCount? = nil,
            operation: String? = nil
        ) {
            self.path = path
            self.line = line
            self.column = column
            self.byteOffset = byteOffset
            self.operation = operation
        }

        /// `path:line:column` for an error in a document, else nil.
        var documentPosition: String? {
            guard let path, let line, let column else { return nil }
            return "\(path):\(line):\(column)"
        }
    }

    /// The kind of a failure; new kinds may be added in any release.
    public struct Code: RawRepresentable, Hashable, Sendable, Codable, CustomStringConvertible {
        /// The code's name, as in JSON output.
        public let rawValue: String

        /// Makes a code of a name.
        public init(rawValue: String) {
            self.rawValue = rawValue
        }

        /// The code's name.
        public var description: String { rawValue }

        /// A document that cannot be read: its syntax, an element, or a value.
        public static let invalidDocument = Code(rawValue: "invalidDocument")
        /// A value that cannot be used: a size, a path, a combination of options.
        public static let invalidArgument = Code(rawValue: "invalidArgument")
        /// A name that no pool or volume can have.
        public static let invalidName = Code(rawValue: "invalidName")
        /// No pool with this name or UUID.
        public static let poolNotFound = Code(rawValue: "poolNotFound")
        /// Another pool holds this name, UUID or source.
        public static let poolExists = Code(rawValue: "poolExists")
        /// The pool must run for this, and does not.
        public static let poolNotRunning = Code(rawValue: "poolNotRunning")
        /// The pool must not run for this, and does.
        public static let poolRunning = Code(rawValue: "poolRunning")
        /// A transient pool has no definition to change.
        public static let poolTransient = Code(rawValue: "poolTransient")
        /// Another program holds the pool or the volume, and the deadline has passed.
        public static let busy = Code(rawValue: "busy")
        /// No volume with this name, key or path.
        public static let volumeNotFound = Code(rawValue: "volumeNotFound")
        /// A volume with this name exists.
        public static let volumeExists = Code(rawValue: "volumeExists")
        /// A file, directory or device does not exist.
        public static let notFound = Code(rawValue: "notFound")
        /// A file or directory exists already.
        public static let exists = Code(rawValue: "exists")
        /// A path that names something other than a directory.
        public static let notADirectory = Code(rawValue: "notADirectory")
        /// A directory that must be empty, and is not.
        public static let notEmpty = Code(rawValue: "notEmpty")
        /// A name or a link that leads out of its pool.
        public static let outsidePool = Code(rawValue: "outsidePool")
        /// The program's user may not do this.
        public static let permissionDenied = Code(rawValue: "permissionDenied")
        /// The file system is mounted read only.
        public static let readOnly = Code(rawValue: "readOnly")
        /// The storage has no space left, or a quota is used up.
        public static let noSpace = Code(rawValue: "noSpace")
        /// The backend, the file system or this build cannot do this.
        public static let notSupported = Code(rawValue: "notSupported")
        /// A file of storlib's own state cannot be read.
        public static let damagedState = Code(rawValue: "damagedState")
        /// A disk image whose header or tables make no sense.
        public static let damagedImage = Code(rawValue: "damagedImage")
        /// The storage has changed since the plan was made.
        public static let stalePlan = Code(rawValue: "stalePlan")
        /// The task was cancelled; nothing is left of what it began.
        public static let cancelled = Code(rawValue: "cancelled")
        /// The system reports a failure that has no code of its own here.
        public static let inputOutput = Code(rawValue: "inputOutput")
    }
}
