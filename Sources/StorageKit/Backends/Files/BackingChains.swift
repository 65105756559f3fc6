import DiskImages

/// The chains of backing files among the volumes of one pool, by what their headers say.
enum BackingChains {
    /// Notes the volumes whose chain leads back to itself, is too deep, or ends at a file that is not there.
    ///
    /// - Parameter volumes: The volumes, in order of their names.
    static func check(_ volumes: inout [Volume], directory: String) {
        var backing: [FileName: FileName] = [:]
        for volume in volumes {
            guard let name = volume.image?.backing?.name,
                case .beneath(let target) = BackingReference(name, in: directory)
            else { continue }
            backing[FileName(volume.name)] = FileName(target)
        }
        guard !backing.isEmpty else { return }
        var depths: [FileName: Int] = [:]
        for index in volumes.indices where volumes[index].problem == nil {
            let name = FileName(volumes[index].name)
            if backing[name] != nil { volumes[index].problem = problem(of: name, backing, volumes, &depths) }
        }
    }

    private static func problem(
        of name: FileName,
        _ backing: [FileName: FileName],
        _ volumes: [Volume],
        _ depths: inout [FileName: Int]
    ) -> String? {
        var last = name
        var chain = [name]
        var visited: Set<FileName> = [name]
        while depths[last] == nil, let next = backing[last] {
            guard visited.insert(next).inserted else {
                return "its chain of backing files leads back to '\(next.text.printable)'"
            }
            // In a directory below, and no volume: it is looked at when it is needed.
            if !next.text.containsSlash, backing[next] == nil, !contains(volumes, next) {
                return "the backing file '\(next.text.printable)' of '\(last.text.printable)' does not exist"
            }
            chain.append(next)
            last = next
            guard chain.count <= ImageChain.maximumDepth else { return tooDeep }
        }
        var depth = depths[last] ?? 1
        for link in chain.reversed() {
            if depths[link] == nil { depths[link] = depth }
            depth += 1
        }
        return (depths[name] ?? 1) > ImageChain.maximumDepth ? tooDeep : nil
    }

    private static func contains(_ volumes: [Volume], _ name: FileName) -> Bool {
        var range = volumes.indices
        while !range.isEmpty {
            let middle = (range.lowerBound + range.upperBound) / 2
            range = volumes[middle].name < name.text ? middle + 1..<range.upperBound : range.lowerBound..<middle
        }
        // Names that are the same characters stand side by side.
        return volumes[range.lowerBound...].prefix { $0.name == name.text }.contains { FileName($0.name) == name }
    }

    private static var tooDeep: String {
        "its chain of backing files has more than \(ImageChain.maximumDepth) images"
    }

    /// A name that is compared by its bytes, as the system does.
    private struct FileName: Hashable {
        let text: String

        init(_ text: String) { self.text = text }

        static func == (left: FileName, right: FileName) -> Bool { left.text.hasSameBytes(as: right.text) }

        func hash(into hasher: inout Hasher) {
            // The same bytes are the same characters.
            hasher.combine(text)
        }
    }
}
