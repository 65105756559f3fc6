import Foundation

/// Programs that are measured from outside.
enum Programs {
    /// The most memory that a program had, in bytes, as time(1) says; nil where that is not installed.
    ///
    /// The system counts what the starting program had too, and time has little.
    static func memory(of arguments: [String]) throws -> Int? {
        guard let time = find("time") else { return nil }
        let output = NSTemporaryDirectory() + "/storbench-time-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: output) }
        try run([time, "-f", "%M", "-o", output] + arguments)
        let text = try String(contentsOfFile: output, encoding: .utf8)
        return Int(text.trimmingCharacters(in: .whitespacesAndNewlines)).map { $0 * 1024 }
    }

    /// Runs a program without a shell, its output discarded.
    static func run(_ arguments: [String]) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        defer { posix_spawn_file_actions_destroy(&actions) }
        var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var process = pid_t()
        guard posix_spawn(&process, arguments[0], &actions, nil, &words, environ) == 0 else {
            throw CocoaError(.executableNotLoadable)
        }
        var status: Int32 = 0
        waitpid(process, &status, 0)
        guard status == 0 else { throw CocoaError(.fileReadUnknown) }
    }

    /// The path of a program of the machine; nil where it is not installed.
    static func find(_ name: String) -> String? {
        ["/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/"].map { $0 + name }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }
}
