internal import CLinux

/// Watches directories for changes of the names in them (inotify(7)).
@safe package struct Inotify: ~Copyable, Sendable {
    package struct Event: Sendable {
        package let watch: Int32
        /// The name in the watched directory; nil for the directory itself, or where it is not UTF-8.
        package let name: String?
        package let change: Change
    }

    package enum Change: Sendable {
        /// A name appeared: made, or renamed to.
        case appeared
        /// A name vanished: removed, or renamed from.
        case vanished
        /// A file that was open for writing was closed.
        case written
        /// The mode, the owner or the number of names changed.
        case attributes
        /// The watched directory itself is gone, and its watch with it.
        case directoryGone
        /// The kernel's queue was full, and events were lost.
        case overflow
    }

    private let file: OpenFile

    package init() throws(StorageError) {
        let descriptor = try systemCall("inotify_init1", "watch for changes", path: nil) { storlib_inotify_init() }
        file = OpenFile(adopting: descriptor, path: "inotify")
    }

    /// Watches a directory.
    ///
    /// The corresponding C function is `inotify_add_watch`.
    package func watch(_ directory: String) throws(StorageError) -> Int32 {
        try OpenFile.checkNoZeroByte(directory)
        let mask =
            IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF
            | IN_MOVE_SELF | IN_ONLYDIR
        return try systemCall("inotify_add_watch", "watch '\(directory)'", path: directory) {
            unsafe storlib_inotify_add_watch(file.descriptor, directory, UInt32(mask))
        }
    }

    /// Ends a watch.
    ///
    /// The corresponding C function is `inotify_rm_watch`.
    package func unwatch(_ watch: Int32) {
        _ = storlib_inotify_rm_watch(file.descriptor, watch)
    }

    /// Waits for events, or for the bell to ring, for at most `milliseconds` (-1: without end).
    ///
    /// The corresponding C function is `poll`.
    ///
    /// - Returns: Whether the bell rang.
    package func wait(wakeUp: WakeUp, milliseconds: Int32) throws(StorageError) -> Bool {
        var files = [
            pollfd(fd: file.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: wakeUp.file.descriptor, events: Int16(POLLIN), revents: 0),
        ]
        try systemCall("poll", "wait for changes", path: nil) {
            unsafe files.withUnsafeMutableBufferPointer { files in
                guard let start = files.baseAddress else { return Int32(0) }
                return unsafe storlib_poll(start, UInt(files.count), milliseconds)
            }
        }
        return files[1].revents != 0
    }

    /// The events that are there now.
    package func events() throws(StorageError) -> [Event] {
        // Large enough for one event with the longest name (inotify(7)), with room for more.
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let count: Int
        do throws(StorageError) {
            count = try systemCall("read", "read changes", path: nil) {
                unsafe buffer.withUnsafeMutableBytes { buffer in
                    guard let start = buffer.baseAddress else { return 0 }
                    return unsafe storlib_read(file.descriptor, start, buffer.count)
                }
            }
        } catch {
            guard error.code == .busy else { throw error }
            return []
        }
        return Self.parse(buffer[..<count])
    }

    /// `struct inotify_event`: watch, mask, cookie and length of the name, 32 bits each, then the name.
    private static func parse(_ bytes: ArraySlice<UInt8>) -> [Event] {
        var events: [Event] = []
        var rest = bytes
        func field(_ index: Int) -> UInt32 {
            rest.dropFirst(4 * index).prefix(4).reversed().reduce(0) { $0 << 8 | UInt32($1) }
        }
        while rest.count >= 16 {
            let mask = Int32(bitPattern: field(1))
            let nameLength = Int(field(3))
            let name = rest.dropFirst(16).prefix(nameLength).prefix { $0 != 0 }
            if let change = Change(mask: mask) {
                let text = name.isEmpty ? nil : String(validating: name, as: UTF8.self)
                events.append(Event(watch: Int32(bitPattern: field(0)), name: text, change: change))
            }
            rest = rest.dropFirst(16 + nameLength)
        }
        return events
    }
}

extension Inotify.Change {
    fileprivate init?(mask: Int32) {
        if mask & IN_Q_OVERFLOW != 0 {
            self = .overflow
        } else if mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT) != 0 {
            self = .directoryGone
        } else if mask & (IN_CREATE | IN_MOVED_TO) != 0 {
            self = .appeared
        } else if mask & (IN_DELETE | IN_MOVED_FROM) != 0 {
            self = .vanished
        } else if mask & IN_CLOSE_WRITE != 0 {
            self = .written
        } else if mask & IN_ATTRIB != 0 {
            self = .attributes
        } else {
            return nil
        }
    }
}
