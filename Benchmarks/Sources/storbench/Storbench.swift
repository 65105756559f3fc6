import Foundation
import StorageKit

/// Measures storlib, and what a user would otherwise run, in the same run; prints a table.
@main
struct Storbench {
    static func main() throws {
        guard CommandLine.arguments.count == 2 else {
            FileHandle.standardError.write(Data("usage: storbench PATH-TO-STORLIB\n".utf8))
            exit(64)
        }
        let program = CommandLine.arguments[1]
        print("machine: \(Machine.description)")
        print("times are medians [minimum, maximum]; a ratio below 1 is in our favour\n")
        var table = ResultTable()
        try Documents.measure(into: &table)
        try Pools.measure(into: &table)
        try ImageLists.measure(program, into: &table)
        try ImageCopies.measure(program, into: &table)
        try Commands.measure(program, into: &table)
        table.print()
        // Said, and no failure: on a machine that others use too a time proves little.
        for failure in table.failures { print("above its limit: \(failure)") }
    }
}
