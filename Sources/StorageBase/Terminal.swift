internal import CLinux

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

    /// The width of the terminal in columns; nil where the output is none.
    ///
    /// The corresponding C function is `ioctl` with `TIOCGWINSZ`.
    package static var width: Int? {
        let columns = Int(storlib_terminal_columns(Stream.output.rawValue))
        return columns > 0 ? columns : nil
    }

    /// Whether colours are wanted: on a terminal, unless `NO_COLOR` is set (<https://no-color.org>).
    package static func hasColors(_ stream: Stream) -> Bool {
        isTerminal(stream) && Environment.value(of: "NO_COLOR") == nil && Environment.value(of: "TERM") != "dumb"
    }

    /// Writes all of a text; where the reader is gone, the rest is dropped.
    ///
    /// The corresponding C function is `write`.
    ///
    /// - Throws: `StorageError` where the stream cannot be written to, such as a file on a full disk.
    package static func write(_ text: String, to stream: Stream) throws(StorageError) {
        let bytes = Array(text.utf8)
        var written = 0
        while written < bytes.count {
            written += try systemCall("write", "write the output", path: nil) {
                unsafe bytes.withUnsafeBytes { buffer in
                    let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[written...])
                    guard let start = rest.baseAddress else { return 0 }
                    return unsafe storlib_write(stream.rawValue, start, rest.count)
                }
            }
        }
    }
}
