import DiskImages
import Glibc
import ImageTrials
import StorageBase

/// Called by libFuzzer at its start (https://llvm.org/docs/LibFuzzer.html, "Startup initialization").
@c(LLVMFuzzerInitialize) public func initialize(_ count: UnsafeMutableRawPointer, _ arguments: UnsafeMutableRawPointer)
    -> Int32
{
    ImageFuzz.start()
    return 0
}

/// Called by libFuzzer with each input.
@c(LLVMFuzzerTestOneInput) public func run(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    // SAFETY: libFuzzer hands over so many bytes, which stay as they are during the call.
    ImageFuzz.run(unsafe [UInt8](UnsafeBufferPointer(start: bytes, count: count)))
    return 0
}

/// The fuzzer of the formats of disk images.
///
/// `imagefuzz --format=NAME [OPTIONS OF LIBFUZZER] [CORPUS]` tries inputs without end, or those named; `imagefuzz --samples=FOLDER`
/// writes small images to begin with, a folder a format, and prints the formats. libFuzzer passes over options with two dashes.
enum ImageFuzz {
    private static let format = option("format").flatMap { ImageFormat(rawValue: $0) }

    static func start() {
        do throws(StorageError) {
            if let folder = option("samples") {
                try writeSamples(to: folder)
                exit(0)
            }
            guard format != nil else { throw StorageError(.invalidArgument, "imagefuzz needs --format=NAME") }
        } catch {
            print(error)
            exit(1)
        }
    }

    private static func option(_ name: String) -> String? {
        CommandLine.arguments.first { $0.hasPrefix("--\(name)=") }.map { String($0.dropFirst(name.utf8.count + 3)) }
    }

    private static func writeSamples(to folder: String) throws(StorageError) {
        for format in ImageFormat.allCases {
            let directory = try OpenFile.directory("\(folder)/\(format)", makingWithMode: 0o755)
            for sample in try ImageSample.all(of: format) {
                try directory.replace(sample.name, with: PackedImage(sample.file).bytes, mode: 0o644)
            }
            print(format)
        }
    }

    static func run(_ bytes: [UInt8]) {
        guard let format else { return }
        do throws(StorageError) {
            let file = try PackedImage(bytes).unpack(mendingChecksumsOf: format)
            // Many inputs are worth more than one that is looked at to its end.
            let trial = ImageTrial(file, as: format, timeLimit: .milliseconds(5))
            if let violation = trial.violations.first { fatalError(violation) }
            guard trial.describing <= ImageTrial.describingLimit else {
                fatalError("to tell what the image is took \(trial.describing)")
            }
        } catch {
            fatalError("\(error)")
        }
    }
}
