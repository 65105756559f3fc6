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
        try Programs.run([program, "pool-define", document])
        try Programs.run([program, "pool-start", "images", "--build"])

        let floor = try Sample(runs: 49) { try Programs.run(["/bin/true"]) }
        let peer = try virsh()
        for arguments in [["validate", document], ["pool-list"]] {
            let ours = try Sample(runs: 49) { try Programs.run([program] + arguments) }
            table.add("storlib \(arguments[0]), whole process", ours, limit: 0.010, peer: ("/bin/true", floor))
            if let peer { table.add("storlib \(arguments[0]), whole process", ours, peer: ("virsh pool-list", peer)) }
        }
    }

    /// virsh on its test driver, which needs no daemon; nil where it is not installed.
    private static func virsh() throws -> Sample? {
        guard let virsh = Programs.find("virsh") else { return nil }
        return try Sample(runs: 25) { try Programs.run([virsh, "-c", "test:///default", "pool-list"]) }
    }
}
