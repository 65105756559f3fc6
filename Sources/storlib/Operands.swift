import ArgumentParser
import StorageKit

/// The operands of a command.
///
/// As with virsh, each can also be given as an option, and those without take the words in
/// their order.
struct Operands {
    private var values: [String: String] = [:]

    /// Hands out the words to the operands that no option gave.
    ///
    /// - Parameters:
    ///   - words: What the parser did not recognise.
    ///   - operands: The names in their order, with the values of their options.
    ///   - required: How many of them must have a value.
    init(_ words: [String], _ operands: KeyValuePairs<String, String?>, required: Int) throws {
        var words = words[...]
        // Behind -- all words are operands.
        let end = words.firstIndex(of: "--")
        for word in words[..<(end ?? words.endIndex)] where word.hasPrefix("-") && !Self.isValue(word) {
            throw ValidationError("unknown option '\(word.printable)'")
        }
        if let end { words.remove(at: end) }
        for (name, option) in operands {
            if let value = option ?? words.popFirst() { values[name] = value }
        }
        if let word = words.first { throw ValidationError("unexpected argument '\(word.printable)'") }
        for (name, _) in operands.prefix(required) where values[name] == nil {
            throw ValidationError("missing argument \(name.uppercased())")
        }
    }

    /// A dash alone and a negative number are no options.
    private static func isValue(_ word: String) -> Bool {
        word == "-" || word.dropFirst().first?.isNumber == true
    }

    /// The value of an operand that is required.
    subscript(_ name: String) -> String { values[name] ?? "" }

    /// The value of an operand that is not; a dash is none.
    func optional(_ name: String) -> String? {
        values[name] == "-" ? nil : values[name]
    }
}

/// The operand of commands on one pool.
struct PoolOperand: ParsableArguments {
    @Argument(parsing: .allUnrecognized, help: .hidden, completion: .custom(Completion.pools))
    var words: [String] = []

    @Option(help: ArgumentHelp("The pool's name or UUID; also as the first argument.", valueName: "pool"))
    var pool: String?

    func validate() throws {
        _ = try Operands(words, ["pool": pool], required: 1)
    }

    func pool(_ manager: StorageManager) throws -> StoragePool {
        try manager.pool(nameOrUUID: Operands(words, ["pool": pool], required: 1)["pool"])
    }
}

/// The operand of commands on one volume.
struct VolumeOperand: ParsableArguments {
    @Argument(parsing: .allUnrecognized, help: .hidden, completion: .custom(Completion.volumes))
    var words: [String] = []

    @Option(help: ArgumentHelp("The volume's name, key or path; also as the first argument.", valueName: "volume"))
    var vol: String?

    @Option(help: ArgumentHelp("The name or UUID of its pool, with which VOL may be a name.", valueName: "pool"))
    var pool: String?

    func validate() throws {
        _ = try operands()
    }

    private func operands() throws -> Operands {
        try Operands(words, ["vol": vol, "pool": pool], required: 1)
    }

    /// The volume as it was named.
    func text() throws -> String { try operands()["vol"] }

    func volume(_ manager: StorageManager) throws -> (pool: StoragePool, volume: Volume) {
        let operands = try operands()
        return try manager.volume(operands["vol"], pool: operands.optional("pool"))
    }
}

extension StorageManager {
    func pool(nameOrUUID text: String) throws(StorageError) -> StoragePool {
        do throws(StorageError) {
            return try pool(named: text)
        } catch {
            guard error.code == .poolNotFound || error.code == .invalidName, let uuid = StorageUUID(text) else {
                throw error
            }
            return try pool(uuid: uuid)
        }
    }

    /// Looks up a volume by name, key or path in a pool, or by key or path in all running ones.
    func volume(_ text: String, pool: String?) throws(StorageError) -> (pool: StoragePool, volume: Volume) {
        guard let pool else {
            do throws(StorageError) {
                return try volume(key: text)
            } catch {
                guard error.code == .volumeNotFound else { throw error }
            }
            do throws(StorageError) {
                return try volume(path: text)
            } catch {
                guard error.code == .volumeNotFound, !text.containsSlash else { throw error }
                throw StorageError(
                    .volumeNotFound,
                    "no running pool has a volume with key or path '\(text.printable)'",
                    hint: "a volume's name needs --pool"
                )
            }
        }
        let found = try self.pool(nameOrUUID: pool)
        guard text.containsSlash else { return try (found, found.volume(named: text)) }
        do throws(StorageError) {
            return try (found, found.volume(path: text))
        } catch {
            guard error.code == .volumeNotFound else { throw error }
            return try (found, found.volume(key: text))
        }
    }
}
