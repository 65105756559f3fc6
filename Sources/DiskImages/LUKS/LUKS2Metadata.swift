internal import StorageBase

/// Where the content of a LUKS2 container lies, by the segments in its JSON area (3.3 of the specification).
struct LUKS2Metadata {
    /// The metadata of all key slots has less than 64 KiB; this is read and no more.
    private static let maximumByteCount: UInt64 = 512 << 10
    private static let areaOffset: UInt64 = 4096

    /// The lowest offset of a segment.
    private(set) var start: UInt64 = .max
    /// The highest end of a segment; nil where one goes as far as the file.
    private(set) var end: UInt64? = 0
    /// The cipher of the lowest segment.
    private(set) var cipher: String?

    init(_ file: ImageFile, areaEnd: UInt64) throws(StorageError) {
        let count = min(areaEnd - Self.areaOffset, Self.maximumByteCount)
        let area = try file.bytes(at: Self.areaOffset, count: Int(count), "its JSON area")
        var scanner = JSONScanner(area.prefix { $0 != 0 })
        var isWhole = true
        let isJSON = scanner.object { scanner, key in
            guard key == "segments" else { return scanner.skip() }
            return scanner.object { scanner, _ in
                var segment = Segment()
                guard segment.read(&scanner) else { return false }
                isWhole = add(segment) && isWhole
                return true
            }
        }
        guard isJSON else {
            throw file.damaged("its metadata is not JSON", at: Self.areaOffset + UInt64(scanner.position))
        }
        guard isWhole, start < .max else {
            throw file.damaged("its metadata has no segment with an offset and a size", at: Self.areaOffset)
        }
    }

    private mutating func add(_ segment: Segment) -> Bool {
        guard let offset = segment.offset.flatMap({ UInt64($0) }), let size = segment.size else { return false }
        if offset < start {
            start = offset
            cipher = segment.encryption
        }
        guard size != "dynamic" else {
            end = nil
            return true
        }
        guard let length = UInt64(size) else { return false }
        let (segmentEnd, overflow) = offset.addingReportingOverflow(length)
        if let end { self.end = max(end, segmentEnd) }
        return !overflow
    }

    /// What is of use of a segment.
    private struct Segment {
        var offset: String?
        var size: String?
        var encryption: String?

        mutating func read(_ scanner: inout JSONScanner) -> Bool {
            scanner.object { scanner, key in
                switch key {
                case "offset": offset = scanner.string()
                case "size": size = scanner.string()
                case "encryption": encryption = scanner.string()
                default: return scanner.skip()
                }
                return true
            }
        }
    }
}
