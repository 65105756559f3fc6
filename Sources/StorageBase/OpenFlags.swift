internal import CLinux

/// How a file is opened (open(2)); `O_CLOEXEC` is always set.
package struct OpenFlags: OptionSet, Sendable {
    package let rawValue: Int32

    package init(rawValue: Int32) {
        self.rawValue = rawValue
    }

    package static let readOnly = OpenFlags(rawValue: O_RDONLY)
    package static let writeOnly = OpenFlags(rawValue: O_WRONLY)
    package static let readWrite = OpenFlags(rawValue: O_RDWR)
    package static let create = OpenFlags(rawValue: O_CREAT)
    package static let exclusive = OpenFlags(rawValue: O_EXCL)
    package static let append = OpenFlags(rawValue: O_APPEND)
    package static let noFollow = OpenFlags(rawValue: O_NOFOLLOW)
    package static let nonBlocking = OpenFlags(rawValue: O_NONBLOCK)
    package static let directory = OpenFlags(rawValue: Int32(STORLIB_O_DIRECTORY))
    /// A file without a name in the directory that is opened.
    package static let unnamed = OpenFlags(rawValue: Int32(STORLIB_O_TMPFILE))
    /// A place in the file system, not the file's content.
    package static let place = OpenFlags(rawValue: Int32(STORLIB_O_PATH))
}
