import Foundation

/// Whole processes, from their start to their end.
enum Commands {
    static func measure(_ program: String, into table: inout ResultTable) throws {
        let scratch = NSTemporaryDirectory() + "/storbench-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: scratch) }
        setenv("STORLIB_CONFIG_DIR", scratch + "/config", 1)
        setenv("STORLIB_RUN_DIR", scratch + "/run", 1)
        let document = scratch + "/images.xml"
        try "<pool type='dir'><name>images</name><target><path>\(scratch)/images</path></target></pool>"
            .write(toFile: document, atomically: true, encoding: .utf8)
        try run([program, "pool-define", document])
        try run([program, "pool-start", "images", "--build"])

        let floor = try Sample(runs: 49) { try run(["/bin/true"]) }
        let peer = try virsh()
        for arguments in [["validate", document], ["pool-list"]] {
            let ours = try Sample(runs: 49) { try run([program] + arguments) }
            table.add("storlib \(arguments[0]), whole process", ours, limit: 0.010, peer: ("/bin/true", floor))
            if let peer { table.add("storlib \(arguments[0]), whole process", ours, peer: ("virsh pool-list", peer)) }
        }
    }

    /// virsh on its test driver, which needs no daemon; nil where it is not installed.
    private static func virsh() throws -> Sample? {
        guard FileManager.default.isExecutableFile(atPath: "/usr/bin/virsh") else { return nil }
        return try Sample(runs: 25) { try run(["/usr/bin/virsh", "-c", "test:///default", "pool-list"]) }
    }

    /// Runs a program without a shell, its output discarded.
    private static func run(_ arguments: [String]) throws {
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
}
