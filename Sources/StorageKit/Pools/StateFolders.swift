/// Where storlib keeps its state: what is defined, and what runs.
public struct StateFolders: Hashable, Sendable {
    /// Definitions and the marks for autostart; they last.
    public var configuration: String
    /// What runs, and the locks; it is gone after a boot.
    public var run: String

    /// Makes a pair of folders, which need not exist yet.
    ///
    /// - Parameters:
    ///   - configuration: An absolute path, such as `/etc/storlib`.
    ///   - run: An absolute path on a file system that a boot empties, such as `/run/storlib`.
    public init(configuration: String, run: String) {
        self.configuration = configuration
        self.run = run
    }

    /// The folders that the environment names.
    ///
    /// `STORLIB_CONFIG_DIR` and `STORLIB_RUN_DIR` come first; then for root `/etc/storlib` and `/run/storlib`, for others
    /// `storlib` below `XDG_CONFIG_HOME` (or `~/.config`) and below `XDG_RUNTIME_DIR`
    /// (<https://specifications.freedesktop.org/basedir-spec/>).
    ///
    /// - Throws: `StorageError` with code `invalidArgument` where nothing names one of them.
    public static func standard() throws(StorageError) -> StateFolders {
        let isRoot = Environment.isRoot
        let configuration =
            Environment.value(of: "STORLIB_CONFIG_DIR")
            ?? (isRoot ? "/etc/storlib" : nil)
            ?? Environment.value(of: "XDG_CONFIG_HOME").map { $0 + "/storlib" }
            ?? Environment.value(of: "HOME").map { $0 + "/.config/storlib" }
        let run =
            Environment.value(of: "STORLIB_RUN_DIR")
            ?? (isRoot ? "/run/storlib" : nil)
            ?? Environment.value(of: "XDG_RUNTIME_DIR").map { $0 + "/storlib" }
        guard let configuration else {
            throw StorageError(
                .invalidArgument,
                "no folder is known for the definitions of pools",
                hint: "set STORLIB_CONFIG_DIR or HOME"
            )
        }
        guard let run else {
            throw StorageError(
                .invalidArgument,
                "no folder is known for the state of running pools",
                hint: "set STORLIB_RUN_DIR or XDG_RUNTIME_DIR"
            )
        }
        for folder in [configuration, run] where !folder.hasBytePrefix("/") {
            throw StorageError(.invalidArgument, "the state folder '\(folder.printable)' is not an absolute path")
        }
        return StateFolders(configuration: configuration, run: run)
    }
}
