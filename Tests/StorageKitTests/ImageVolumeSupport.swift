import Foundation
import StorageKit
import Testing

/// Programs that the tests compare with, and files that hold disks.
extension Scratch {
    /// Runs a program in the scratch folder, its output and its errors in one text.
    @discardableResult
    func run(_ program: String, _ arguments: [String], expecting statuses: Set<Int32> = [0]) throws -> String {
        let (status, text) = try attempt(program, arguments)
        try #require(statuses.contains(status), "\(program) \(arguments.joined(separator: " ")): \(text)")
        return text
    }

    /// Runs qemu-img, its arguments split at spaces.
    @discardableResult
    func qemuImage(_ line: String, expecting statuses: Set<Int32> = [0]) throws -> String {
        try run("qemu-img", line.split(separator: " ").map(String.init), expecting: statuses)
    }

    func attempt(_ program: String, _ arguments: [String]) throws -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/\(program)")
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: path)
        let output = "\(path)/.output-\(UUID().uuidString)"
        _ = FileManager.default.createFile(atPath: output, contents: nil)
        defer { try? FileManager.default.removeItem(atPath: output) }
        let handle = try FileHandle(forUpdating: URL(fileURLWithPath: output))
        process.standardOutput = handle
        process.standardError = handle
        try process.run()
        process.waitUntilExit()
        let text = String(decoding: try Data(contentsOf: URL(fileURLWithPath: output)), as: UTF8.self)
        return (process.terminationReason == .exit ? process.terminationStatus : -1, text)
    }

    /// What `qemu-img info` says of a file.
    func information(_ name: String, _ format: String) throws -> QEMUInformation {
        let text = try run("qemu-img", ["info", "-f", format, "--output=json", name])
        return try JSONDecoder().decode(QEMUInformation.self, from: Data(text.utf8))
    }

    /// Makes a file with a disk's content: stretches of data and holes that end anywhere, the same for the same seed.
    ///
    /// - Returns: How many bytes are data.
    @discardableResult
    func makeDisk(_ name: String, size: Int, seed: UInt64, longest: Int = 300_000) throws -> Int {
        var numbers = SeededNumbers(seed: seed)
        let file = try OpenFile("\(path)/\(name)", [.readWrite, .create], mode: 0o600)
        try file.setSize(.zero)
        try file.setSize(ByteCount(UInt64(size)))
        var (position, count) = (0, 0)
        while position < size {
            position += Int.random(in: 0...longest, using: &numbers)
            guard position < size else { break }
            let length = min(Int.random(in: 1...longest, using: &numbers), size - position)
            // Random blocks, which no program compresses to nothing, and repeated ones.
            var data = numbers.bytes(min(length, 4096))
            data += [UInt8](repeating: data[0] | 1, count: length - data.count)
            try file.write(data, 0..<length, at: UInt64(position))
            position += length
            count += length
        }
        return count
    }

    /// The error of something that must fail, on one line.
    func refusal(
        _ context: String = "",
        sourceLocation: SourceLocation = #_sourceLocation,
        _ body: () throws -> Void
    ) -> StorageError? {
        let error = #expect(throws: StorageError.self, "\(context)", sourceLocation: sourceLocation) { try body() }
        #expect(error?.description.contains("\n") != true, "\(context)", sourceLocation: sourceLocation)
        return error
    }

    /// Whether both files have the same bytes, but for zeros at the longer one's end.
    func isSameDisk(_ name: String, _ other: String) throws -> Bool {
        let (status, _) = try attempt("qemu-img", ["compare", "-f", "raw", "-F", "raw", name, other])
        return status == 0
    }
}

/// The part of `qemu-img info --output=json` that is compared.
struct QEMUInformation: Decodable {
    struct Specific: Decodable {
        struct Values: Decodable {
            let compat: String?
            let corrupt: Bool?
            let lazyRefcounts, extendedL2: Bool?
            let compression: String?
            let createType: String?

            enum CodingKeys: String, CodingKey {
                case compat, corrupt
                case lazyRefcounts = "lazy-refcounts"
                case extendedL2 = "extended-l2"
                case compression = "compression-type"
                case createType = "create-type"
            }
        }

        let data: Values
    }

    let virtualSize: UInt64
    let format: String
    let clusterSize: UInt64?
    let dirtyFlag: Bool?
    let backingFile: String?
    let backingFormat: String?
    let specific: Specific?

    enum CodingKeys: String, CodingKey {
        case format
        case virtualSize = "virtual-size"
        case clusterSize = "cluster-size"
        case dirtyFlag = "dirty-flag"
        case backingFile = "backing-filename"
        case backingFormat = "backing-filename-format"
        case specific = "format-specific"
    }
}

extension VolumeDefinition {
    /// A volume of a size that is a number of bytes, sparse.
    init(_ name: String, _ capacity: UInt64?, _ format: VolumeFormat = .raw) {
        self.init(name: name, capacity: capacity.map { ByteCount($0) }, allocation: .zero, format: format)
    }
}
