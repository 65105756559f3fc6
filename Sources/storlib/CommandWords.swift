import ArgumentParser
import StorageKit

/// The words of the command line, without the options that virsh takes before the command.
struct CommandWords {
    let words: [String]
    /// Whether only what was asked for is printed, and no word on what was done.
    let isQuiet: Bool

    static let standard = CommandWords(Array(CommandLine.arguments.dropFirst()))

    /// Whether all arguments are text: Swift replaces what is not.
    static var areUTF8: Bool {
        (0..<Int(CommandLine.argc))
            .allSatisfy { index in
                guard let argument = unsafe CommandLine.unsafeArgv[index] else { return true }
                return unsafe String(validatingCString: argument) != nil
            }
    }

    /// virsh's `--connect URI` means nothing here, where there is no daemon to connect to.
    init(_ arguments: [String]) {
        var words = arguments[...]
        var isQuiet = false
        loop: while let word = words.first {
            switch word {
            case "-q", "--quiet":
                isQuiet = true
                words.removeFirst()
            case "-c", "--connect": words = words.dropFirst(2)
            case _ where word.hasPrefix("--connect="): words.removeFirst()
            default: break loop
            }
        }
        self.words = Array(words)
        self.isQuiet = isQuiet
    }
}
