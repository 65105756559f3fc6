import StorageKit
import Glibc
func slurp(_ p: String) -> [UInt8] { let f = unsafe fopen(p, "r")!; var b = [UInt8](repeating: 0, count: 1<<20); let n = unsafe fread(&b, 1, b.count, f); unsafe fclose(f); return Array(b[..<n]) }
let a = CommandLine.arguments
do {
 let f = a[2]; let x = slurp(f)
 if let i = a.firstIndex(of: "--pool") {
   let p = try PoolDefinition(xml: slurp(a[i+1]), source: a[i+1])
   print(try VolumeDefinition(xml: x, poolKind: p.kind, capacity: a.contains("--capacity-optional") ? .optional : .required, source: f).xml(), terminator: "")
 } else { print(try PoolDefinition(xml: x, source: f).xml(), terminator: "") }
} catch { print(error); exit(1) }
