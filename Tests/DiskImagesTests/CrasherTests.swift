import DiskImages
import Foundation
import ImageTrials
import StorageBase
import Testing

/// What the fuzzer found: inputs that trapped, hung or broke a promise once, `FORMAT-WHAT` each.
struct CrasherTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("Crashers")
    static let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path))?.sorted() ?? []

    @Test func crashersAreKept() { #expect(!Self.names.isEmpty) }

    @Test(arguments: names) func whatTheFuzzerFoundIsHandled(name: String) throws {
        let format = try #require(ImageFormat(rawValue: String(name.prefix { $0 != "-" })), "\(name) names no format")
        let bytes = try Data(contentsOf: Self.folder.appendingPathComponent(name))
        let image = PackedImage(Array(bytes))
        let trial = ImageTrial(try image.unpack(mendingChecksumsOf: format), as: format)
        #expect(trial.violations.isEmpty, "\(trial.violations)")
        try expectQuick(trial) { try image.unpack(mendingChecksumsOf: format) }
    }
}

/// Telling what an image is takes no longer than it may; the median of five counts where one was longer.
func expectQuick(
    _ trial: ImageTrial,
    _ file: () throws -> OpenFile,
    sourceLocation: SourceLocation = #_sourceLocation
) throws {
    guard trial.describing > ImageTrial.describingLimit else { return }
    let times = try (0..<5).map { _ in ImageTrial(try file(), as: trial.format).describing }.sorted()
    #expect(times[2] <= ImageTrial.describingLimit, "\(trial.format): \(times)", sourceLocation: sourceLocation)
}
