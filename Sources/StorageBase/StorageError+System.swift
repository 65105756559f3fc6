internal import SystemPackage

extension StorageError {
    /// The one mapping from a failed system call to an error.
    ///
    /// - Parameters:
    ///   - errno: The positive error number.
    ///   - action: What was attempted, as a verb with its object: `create volume 'a'`.
    ///   - path: The file or directory.
    ///   - operation: The system call.
    package init(errno: Int32, action: String, path: String?, operation: String) {
        let cause = Errno(rawValue: errno)
        let reason = cause.description.first.map { $0.lowercased() + cause.description.dropFirst() } ?? "unknown error"
        self.init(
            Self.code(of: cause),
            "cannot \(action): \(reason)",
            context: Context(path: path, operation: operation),
            cause: cause
        )
    }

    private static func code(of errno: Errno) -> Code {
        switch errno {
        case .noSuchFileOrDirectory: .notFound
        case .fileExists: .exists
        case .notDirectory: .notADirectory
        case .directoryNotEmpty: .notEmpty
        case .permissionDenied, .notPermitted: .permissionDenied
        case .readOnlyFileSystem: .readOnly
        case .noSpace, .diskQuotaExceeded: .noSpace
        case .resourceBusy, .wouldBlock: .busy
        case .improperLink, .tooManySymbolicLinkLevels: .outsidePool
        case .notSupportedOnSocket, .notSupported, .noFunction, .inappropriateIOCTLForDevice: .notSupported
        case .invalidArgument, .fileTooLarge, .fileNameTooLong: .invalidArgument
        default: .inputOutput
        }
    }
}
