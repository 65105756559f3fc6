import DiskImages

/// The chains of backing files among the volumes of one pool, by what their headers say.
enum BackingChains {
    /// Notes the volumes whose chain leads back to itself, is too deep, or ends at a file that is not there.
    ///
    /// - Parameter volumes: The volumes, in order of their names.
    static func check(_ volumes: inout [Volume], directory: String) {
        var backing: [String: String] = [:]
        for volume in volumes {
            guard let name = volume.image?.backing?.name,
                case .beneath(let target) = BackingReference(name, in: directory)
            else { continue }
            backing[volume.name] = target
        }
        guard !backing.isEmpty else { return }
        var depths: [String: Int] = [:]
        for index in volumes.indices where backing[volumes[index].name] != nil && volumes[index].problem == nil {
            volumes[index].problem = problem(of: volumes[index].name, backing, volumes, &depths)
        }
    }

    private static func problem(
        of name: String,
        _ backing: [String: String],
        _ volumes: [Volume],
        _ depths: inout [String: Int]
    ) -> String? {
        var chain = [name]
        var visited: Set<String> = [name]
        while let next = backing[chain[chain.count - 1]], depths[chain[chain.count - 1]] == nil {
            guard visited.insert(next).inserted else {
                return "its chain of backing files leads back to '\(next.printable)'"
            }
            // In a directory below, and no volume: it is looked at when it is needed.
            if !next.containsSlash, backing[next] == nil, !contains(volumes, next) {
                return "the backing file '\(next.printable)' of '\(chain[chain.count - 1].printable)' does not exist"
            }
            chain.append(next)
            guard chain.count <= ImageChain.maximumDepth else { return tooDeep }
        }
        var depth = depths[chain[chain.count - 1]] ?? 1
        for link in chain.reversed() {
            if depths[link] == nil { depths[link] = depth }
            depth += 1
        }
        return (depths[name] ?? 1) > ImageChain.maximumDepth ? tooDeep : nil
    }

    private static func contains(_ volumes: [Volume], _ name: String) -> Bool {
        var range = volumes.indices
        while !range.isEmpty {
            let middle = (range.lowerBound + range.upperBound) / 2
            if volumes[middle].name == name { return true }
            range = volumes[middle].name < name ? middle + 1..<range.upperBound : range.lowerBound..<middle
        }
        return false
    }

    private static var tooDeep: String {
        "its chain of backing files has more than \(ImageChain.maximumDepth) images"
    }
}
