import ArgumentParser
import StorageKit

/// The command line of storlib, on the names of virsh.
@main
struct Storlib: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "storlib",
        abstract: "Storage pools and volumes, on virsh's names and without a daemon.",
        discussion: """
            A pool is a chunk of storage, a volume what it is carved into. POOL is a name or a UUID; VOL a name with --pool, \
            or a key or a path. Sizes are 4096, 10G, 512MiB, 1.5TiB, 100MB. FILE may be -, the standard input or output.

            Example:
              storlib pool-define-as images dir --target /srv/images
              storlib pool-start images --build
              storlib vol-create-as images disk.img 10G --allocation 0
              storlib vol-list images --details
            """,
        version: "0.1.0",
        groupedSubcommands: [
            CommandGroup(
                name: "Pools",
                subcommands: [
                    PoolDefine.self, PoolDefineAs.self, PoolCreate.self, PoolCreateAs.self, PoolBuild.self,
                    PoolStartCommand.self, PoolDestroy.self, PoolDelete.self, PoolUndefine.self, PoolRefresh.self,
                    PoolAutostart.self, PoolList.self, PoolInformation.self, PoolDumpXML.self, PoolName.self,
                    PoolUUID.self, PoolCapabilitiesList.self, PoolEventList.self, PoolImportCommand.self,
                ]
            ),
            CommandGroup(
                name: "Volumes",
                subcommands: [
                    VolCreate.self, VolCreateAs.self, VolCreateFrom.self, VolClone.self, VolDeclare.self, VolMap.self,
                    VolCheck.self, VolDelete.self, VolResize.self, VolUpload.self, VolDownload.self,
                    VolWipe.self, VolList.self,
                    VolInformation.self, VolDumpXML.self, VolPath.self, VolKey.self, VolName.self, VolPool.self,
                ]
            ),
            CommandGroup(name: "Host", subcommands: [Validate.self, Autostart.self]),
        ]
    )

    /// Runs a command: 0 for success, 1 for a failure, 64 for a command line that makes no sense.
    static func main() {
        guard CommandWords.areUTF8 else {
            Report.error("an argument is not in UTF-8, and would name something else")
            exit(withCode: .validationFailure)
        }
        do {
            var command = try parseAsRoot(CommandWords.standard.words)
            try command.run()
        } catch let error as StorageError {
            Report.error(error.description)
            exit(withCode: .failure)
        } catch {
            let code = exitCode(for: error)
            if code == .success {
                Report.output(fullMessage(for: error) + "\n")
            } else if code == .validationFailure {
                Report.error("\(message(for: error).printable); see storlib --help")
            } else if !(error is ExitCode) {
                Report.error("\(error)")
            }
            exit(withCode: code)
        }
    }

    private static func exit(withCode code: ExitCode) -> Never {
        exit(withError: code)
    }
}
