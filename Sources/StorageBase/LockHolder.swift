/// The program that holds the lock of a file (flock(2)), as far as the system tells.
package struct LockHolder: Sendable, CustomStringConvertible {
    /// The process.
    package let process: Int32
    /// The name of its program.
    package let program: String

    /// Finds the first that holds a lock on a file; nil where none is seen.
    ///
    /// The kernel lists all locks in `/proc/locks` (proc_locks(5)), with the numbers of device and inode.
    package init?(of file: borrowing OpenFile) {
        guard let status = try? file.status(),
            let locks = try? OpenFile("/proc/locks", .readOnly).readAll(limit: 16 << 20)
        else { return nil }
        for line in String(decoding: locks, as: UTF8.self).split(separator: "\n") {
            // 1: FLOCK ADVISORY WRITE 1234 fd:00:5678 0 EOF
            let words = line.split(separator: " ")
            guard words.count >= 6, words[1] == "FLOCK", let process = Int32(words[4]), process > 0 else { continue }
            let numbers = words[5].split(separator: ":")
            guard numbers.count == 3, UInt64(numbers[2]) == status.identity.inode,
                let major = UInt64(numbers[0], radix: 16), let minor = UInt64(numbers[1], radix: 16)
            else { continue }
            // A subvolume of btrfs has a device number of its own, of which the list knows nothing.
            guard major << 32 | minor == status.identity.device || Self.hasOpen(status.identity, process) else {
                continue
            }
            self.process = process
            program = Self.name(of: process) ?? "a program"
            return
        }
        return nil
    }

    package var description: String { "\(program) (process \(process))" }

    private static func name(of process: Int32) -> String? {
        guard let bytes = try? OpenFile("/proc/\(process)/comm", .readOnly).readAll(limit: 4096) else { return nil }
        let name = String(decoding: bytes, as: UTF8.self).split(separator: "\n").first
        // A program names itself as it likes.
        return name.map {
            String(String.UnicodeScalarView($0.unicodeScalars.filter { $0.value >= 32 && $0.value != 127 }))
        }
    }

    private static func hasOpen(_ file: FileIdentity, _ process: Int32) -> Bool {
        let path = "/proc/\(process)/fd"
        guard let names = try? OpenFile(path, [.readOnly, .directory]).entryNames() else { return false }
        return names.contains { name in
            guard let name else { return false }
            return (try? OpenFile("\(path)/\(name)", .place).status().identity) == file
        }
    }
}
