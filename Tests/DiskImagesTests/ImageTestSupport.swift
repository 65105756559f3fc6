import DiskImages
import Foundation
import StorageBase
import Testing

/// A folder for one test; it is gone afterwards.
final class ImageScratch: Sendable {
    let path: String

    init() {
        path = NSTemporaryDirectory() + "/storlib-images-" + UUID().uuidString
        try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    func path(_ name: String) -> String { "\(path)/\(name)" }

    func open(_ name: String, writable: Bool = false) throws(StorageError) -> ImageFile {
        try ImageFile(OpenFile(path(name), writable ? .readWrite : .readOnly), isChanging: writable)
    }

    func makeFile(_ name: String) throws(StorageError) -> ImageFile {
        ImageFile(empty: try OpenFile(path(name), [.readWrite, .create, .exclusive], mode: 0o600))
    }

    /// Opens what an image names, beside it.
    var opener: ImageOpener {
        let path = path
        return ImageOpener { name, _ throws(StorageError) in
            try ImageFile(OpenFile(name.hasPrefix("/") ? name : "\(path)/\(name)", .readOnly))
        }
    }

    func make(_ creation: ImageCreation) throws(StorageError) {
        try creation.make(in: makeFile(creation.name), cancellation: Cancellation(), makeFile: makeFile)
    }

    func write(_ bytes: [UInt8], to name: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: path(name)))
    }

    /// Opens an image by what is in it.
    func image(_ name: String, writable: Bool = false) throws -> any DiskImage {
        let file = try open(name, writable: writable)
        let image = try #require(ImageFormat.probe(file).image)
        return try image.init(file, opener: opener)
    }

    /// What is wrong with an image.
    func check(_ name: String) throws -> ImageCheck {
        var check = ImageCheck()
        try image(name).check(&check, cancellation: Cancellation())
        return check
    }

    /// What a guest reads of an image without a backing file, by its extents; up to a few MiB.
    func content(_ image: any DiskImage, _ range: Range<UInt64>) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var offset = range.lowerBound
        while offset < range.upperBound {
            let extent = try image.extent(at: offset)
            try #require(extent.range.contains(offset), "\(extent.range) at \(offset)")
            let end = min(extent.range.upperBound, range.upperBound)
            switch extent.content {
            case .unallocated, .zero: bytes += [UInt8](repeating: 0, count: Int(end - offset))
            case .data(let file, let place):
                let count = Int(end - offset)
                let read = try file.file.read(count: count, at: place + (offset - extent.range.lowerBound))
                bytes += read + [UInt8](repeating: 0, count: count - read.count)
            case .compressed(let data):
                let unit = try data.expanded(to: Int(extent.range.upperBound - extent.range.lowerBound))
                bytes += unit[Int(offset - extent.range.lowerBound)..<Int(end - extent.range.lowerBound)]
            }
            offset = end
        }
        return bytes
    }

    /// Runs qemu-img, or another program of the tests, in the folder.
    @discardableResult
    func run(_ program: String, _ arguments: [String], expecting statuses: Set<Int32> = [0]) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/\(program)")
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: path)
        let output = path + "/.output-" + UUID().uuidString
        _ = FileManager.default.createFile(atPath: output, contents: nil)
        defer { try? FileManager.default.removeItem(atPath: output) }
        let handle = try FileHandle(forUpdating: URL(fileURLWithPath: output))
        process.standardOutput = handle
        process.standardError = handle
        try process.run()
        process.waitUntilExit()
        let text = String(decoding: try Data(contentsOf: URL(fileURLWithPath: output)), as: UTF8.self)
        try #require(
            process.terminationReason == .exit && statuses.contains(process.terminationStatus),
            "\(program) \(arguments.joined(separator: " ")): \(text)"
        )
        return text
    }

    /// What `qemu-img info` says.
    func information(_ name: String, _ options: [String] = []) throws -> [String: Any] {
        let text = try run("qemu-img", ["info", "--output=json"] + options + [name])
        return try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }
}
