import ArgumentParser
import FoundationEssentials
import StorageKit

/// What a command prints.
enum Report {
    /// Prints a text as it is.
    static func output(_ text: String) {
        do throws(StorageError) {
            try Terminal.write(text, to: .output)
        } catch {
            self.error(error.description)
            exitWithFailure()
        }
    }

    /// Prints a line.
    static func line(_ text: String) {
        output(text + "\n")
    }

    /// Prints what was done, unless nobody wants to know.
    static func done(_ text: String) {
        if !CommandWords.standard.isQuiet { line(text) }
    }

    /// Prints a document, or as JSON the value that it is of.
    static func document(_ value: some Encodable, _ xml: String, _ options: Options) throws {
        options.json ? try json(value) : output(xml)
    }

    /// Prints one of the library's values as JSON.
    static func json(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        line(String(decoding: try encoder.encode(value), as: UTF8.self))
    }

    /// Prints one of the library's values as JSON on one line.
    static func jsonLine(_ value: some Encodable, to stream: Terminal.Stream = .output) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let text = String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
        stream == .output ? output(text) : try Terminal.write(text, to: stream)
    }

    /// Prints an error, on one line, to the standard error.
    static func error(_ message: String) {
        let line = message.split(whereSeparator: \.isNewline).joined(separator: " ")
        let label = Terminal.hasColors(.error) ? "\u{1B}[1;31merror:\u{1B}[0m" : "error:"
        // Where the standard error is closed there is nobody to tell.
        try? Terminal.write("\(label) \(line)\n", to: .error)
    }

    /// Prints what the user is to know, on one line, to the standard error, unless nobody wants to know.
    static func warning(_ message: String) {
        guard !CommandWords.standard.isQuiet else { return }
        let line = message.split(whereSeparator: \.isNewline).joined(separator: " ")
        try? Terminal.write("warning: \(line)\n", to: .error)
    }

    /// Prints names and values in two columns, as virsh does.
    static func fields(_ fields: KeyValuePairs<String, String?>) {
        for (name, value) in fields {
            if let value {
                let label = "\(name):"
                line(label + String(repeating: " ", count: max(1, 16 - label.count)) + value)
            }
        }
        line("")
    }

    private static func exitWithFailure() -> Never {
        Storlib.exit(withError: ExitCode.failure)
    }
}
