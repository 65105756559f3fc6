/// A unit of size: `b`, `K` … `E` and `KiB` … `EiB` by 1,024, `KB` … `EB` by 1,000; upper and lower case are the same.
///
/// The units are those of libvirt (`virScaleInteger`).
package struct SizeUnit: Sendable {
    static let binaryNames = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
    private static let prefixes = Array("kmgtpe")

    /// The number of bytes in one.
    package let bytes: UInt64

    /// Looks up a unit by name; an empty name is bytes.
    package init?(name: String) {
        // Beyond ASCII there are letters whose lower case is within, such as the Kelvin sign.
        guard name.utf8.allSatisfy({ $0 < 0x80 }) else { return nil }
        let name = name.lowercased()
        if ["", "b", "byte", "bytes"].contains(name) {
            bytes = 1
            return
        }
        guard let first = name.first, let power = Self.prefixes.firstIndex(of: first).map({ $0 + 1 }) else {
            return nil
        }
        let base: UInt64
        switch name.dropFirst() {
        case "", "ib": base = 1024
        case "b": base = 1000
        default: return nil
        }
        bytes = (0..<power).reduce(1) { product, _ in product * base }
    }
}
