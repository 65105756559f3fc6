internal import CLinux
internal import SystemPackage

/// What the program writes to.
package enum Terminal {
    /// A stream of the program.
    package enum Stream: Int32, Sendable {
        case output = 1
        case error = 2
    }

    /// Whether a stream is a terminal.
    ///
    /// The corresponding C function is `isatty`.
    package static func isTerminal(_ stream: Stream) -> Bool { isatty(stream.rawValue) == 1 }

    /// The width of the terminal in columns; nil where the stream is none.
    ///
    /// The corresponding C function is `ioctl` with `TIOCGWINSZ`.
    package static func width(_ stream: Stream) -> Int? {
        let columns = Int(storlib_terminal_columns(stream.rawValue))
        return columns > 0 ? columns : nil
    }

    /// Whether colours are wanted: on a terminal, unless `NO_COLOR` is set (<https://no-color.org>).
    package static func hasColors(_ stream: Stream) -> Bool {
        isTerminal(stream) && Environment.value(of: "NO_COLOR") == nil && Environment.value(of: "TERM") != "dumb"
    }

    /// Reads the standard input to its end, which may be at most `limit` bytes away.
    ///
    /// The corresponding C function is `read`, on a copy of descriptor 0: what is open there need not have a name.
    package static func readInput(limit: Int) throws(StorageError) -> [UInt8] {
        let descriptor = try systemCall("fcntl", "read the standard input", path: nil) { storlib_duplicate(0) }
        return try OpenFile(adopting: descriptor, path: "(standard input)").readAll(limit: limit)
    }

    /// Writes all of a text; where the reader is gone, the rest is dropped.
    ///
    /// The corresponding C function is `write`.
    ///
    /// - Throws: `StorageError` where the stream cannot be written to, such as a file on a full disk.
    package static func write(_ text: String, to stream: Stream) throws(StorageError) {
        let bytes = Array(text.utf8)
        var written = 0
        do throws(StorageError) {
            while written < bytes.count {
                written += try systemCall("write", "write the output", path: nil) {
                    unsafe bytes.withUnsafeBytes { buffer in
                        let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[written...])
                        guard let start = rest.baseAddress else { return 0 }
                        return unsafe storlib_write(stream.rawValue, start, rest.count)
                    }
                }
            }
        } catch {
            guard error.cause as? Errno == .brokenPipe else { throw error }
        }
    }
}
