internal import StorageBase

/// The text that describes an image: a file of its own, or a part of its only extent ("Virtual Disk Format 5.0", The Descriptor
/// File).
struct VMDKDescriptor {
    static let signature = Array("# Disk DescriptorFile".utf8)
    /// More than all extents need: QEMU's limit.
    static let maximumLength = 1 << 20
    /// 16 TiB in files of 2 GiB, twice what VMware's hosted programs make; each costs time whenever an image is listed.
    static let maximumExtents = 8192
    private static let maximumLines = 16384
    /// A file's name is a path: QEMU's limit.
    static let maximumNameLength = 1023
    /// The parent's identifier in an image without one.
    static let noParent = UInt32.max
    /// What ATA drives say that have more sectors.
    private static let maximumCylinders: UInt64 = 16383

    /// A line that names a part of the disk.
    struct Extent {
        enum Kind {
            case flat
            case sparse
            case zero
            /// Of ESX or a device: the word of the line.
            case other(String)
        }

        let kind: Kind
        let isAccessible: Bool
        let sectors: UInt64
        let name: String?
        /// Where the data begin in the file, in sectors.
        let offset: UInt64
        /// The place of the number of sectors in the text.
        fileprivate let sectorsPlace: Range<Int>
    }

    /// The text without what follows its end.
    let text: [UInt8]
    private(set) var version: String?
    private(set) var createType = ""
    private(set) var contentIdentifier: UInt32 = 0
    private(set) var parentIdentifier = Self.noParent
    private(set) var parentName: String?
    private(set) var extents: [Extent] = []
    private var cylindersPlace: Range<Int>?
    private var heads: UInt64 = 16
    private var sectorsPerTrack: UInt64 = 63

    /// The descriptor that is a file of its own.
    init(_ file: ImageFile) throws(StorageError) {
        guard file.size <= UInt64(Self.maximumLength) else {
            throw file.damaged("a descriptor of \(file.size) bytes is larger than 1 MiB", at: 0)
        }
        try self.init(file.bytes(at: 0, count: Int(file.size), "its descriptor"), of: file, at: 0)
    }

    /// The descriptor in an extent; nil where the extent is a part of an image whose descriptor is another file.
    init?(embeddedIn file: ImageFile, _ header: VMDKHeader) throws(StorageError) {
        guard header.descriptorOffset > 0, header.descriptorSectors > 0 else { return nil }
        let limit = UInt64(Self.maximumLength) / VMDKHeader.sectorSize
        guard header.descriptorSectors <= limit else {
            throw file.damaged("a descriptor of \(header.descriptorSectors) sectors is larger than 1 MiB", at: 36)
        }
        guard header.descriptorOffset <= file.size / VMDKHeader.sectorSize else {
            throw file.damaged("the descriptor at sector \(header.descriptorOffset) lies outside the file", at: 28)
        }
        let offset = header.descriptorOffset * VMDKHeader.sectorSize
        let length = Int(header.descriptorSectors * VMDKHeader.sectorSize)
        var bytes: [UInt8] = []
        // Mostly its text ends within what was read of the file.
        if let known = file.head.dropFirst(Int(clamping: offset)).prefix(length).firstIndex(of: 0) {
            bytes = Array(file.head[Int(offset)..<known])
        } else {
            bytes = try file.bytes(at: offset, count: length, "its descriptor")
        }
        guard bytes.first ?? 0 != 0 else { return nil }
        try self.init(bytes, of: file, at: offset)
    }

    private init(_ bytes: [UInt8], of file: ImageFile, at base: UInt64) throws(StorageError) {
        text = Array(bytes[..<(bytes.firstIndex(of: 0) ?? bytes.count)])
        var values: [String: String] = [:]
        var position = 0
        var lineCount = 0
        while position < text.count {
            let end = text[position...].firstIndex(of: UInt8(ascii: "\n")) ?? text.count
            lineCount += 1
            guard lineCount <= Self.maximumLines else {
                throw file.damaged(
                    "its descriptor has more than \(Self.maximumLines) lines",
                    at: base + UInt64(position)
                )
            }
            try readLine(position..<end, &values, file, base)
            position = end + 1
        }
        guard let createType = values["createtype"] else {
            throw file.damaged("its descriptor has no createType", at: base)
        }
        guard let identifier = values["cid"].flatMap({ UInt32($0, radix: 16) }),
            let parent = values["parentcid"].flatMap({ UInt32($0, radix: 16) })
        else { throw file.damaged("its descriptor has no CID or parentCID, 8 hexadecimal digits each", at: base) }
        self.createType = createType
        contentIdentifier = identifier
        parentIdentifier = parent
        parentName = values["parentfilenamehint"]
        version = values["version"]
        heads = values["ddb.geometry.heads"].flatMap { UInt64($0) } ?? heads
        sectorsPerTrack = values["ddb.geometry.sectors"].flatMap { UInt64($0) } ?? sectorsPerTrack
    }

    private static let keys: Set<String> = [
        "version", "cid", "parentcid", "createtype", "parentfilenamehint", "ddb.geometry.cylinders",
        "ddb.geometry.heads", "ddb.geometry.sectors",
    ]

    private mutating func readLine(
        _ range: Range<Int>,
        _ values: inout [String: String],
        _ file: ImageFile,
        _ base: UInt64
    ) throws(StorageError) {
        var line = Line(text, range)
        guard let first = line.peek, first != UInt8(ascii: "#") else { return }
        let start = line.position
        let word = line.word()
        if let access = Self.accesses.first(where: { $0.word.elementsEqual(text[word]) }) {
            guard extents.count < Self.maximumExtents else {
                throw file.damaged(
                    "its descriptor has more than \(Self.maximumExtents) extents",
                    at: base + UInt64(start)
                )
            }
            guard let found = try extent(access.isAccessible, &line, file, base) else {
                throw file.damaged("a line of its descriptor is no extent's", at: base + UInt64(start))
            }
            extents.append(found)
            return
        }
        guard let equals = text[start..<range.upperBound].firstIndex(of: UInt8(ascii: "=")) else { return }
        // The longest key that matters is shorter.
        guard equals - start <= 32 else { return }
        let key = Line.trimmed(text[start..<equals])
        let name = String(decoding: text[key], as: UTF8.self).lowercased()
        guard Self.keys.contains(name), values[name] == nil else { return }
        line.position = equals + 1
        let value = line.quoted() ?? Line.trimmed(text[equals + 1..<range.upperBound])
        if name == "ddb.geometry.cylinders" { cylindersPlace = value }
        values[name] = try Self.name(text[value], file, base + UInt64(start))
    }

    private static let accesses: [(word: [UInt8], isAccessible: Bool)] = [
        (Array("RW".utf8), true), (Array("RDONLY".utf8), true), (Array("NOACCESS".utf8), false),
    ]

    /// What follows the access: the size, the type, and except for zeros the name and the offset.
    private func extent(
        _ isAccessible: Bool,
        _ line: inout Line,
        _ file: ImageFile,
        _ base: UInt64
    ) throws(StorageError) -> Extent? {
        let place = line.word()
        guard let sectors = UInt64(String(decoding: text[place], as: UTF8.self)) else { return nil }
        let type = String(decoding: text[line.word()].prefix(32), as: UTF8.self)
        let kind: Extent.Kind =
            switch type {
            // On VMFS a flat extent has no offset.
            case "FLAT", "VMFS": .flat
            case "SPARSE": .sparse
            case "ZERO": .zero
            default: .other(type)
            }
        var name: String?
        var offset: UInt64 = 0
        if let quoted = line.quoted() {
            name = try Self.name(text[quoted], file, base + UInt64(place.lowerBound))
            let word = line.word()
            if !word.isEmpty {
                guard let number = UInt64(String(decoding: text[word], as: UTF8.self)) else { return nil }
                offset = number
            }
        }
        switch kind {
        case .flat, .sparse: if name == nil { return nil }
        case .zero, .other: break
        }
        return Extent(
            kind: kind,
            isAccessible: isAccessible,
            sectors: sectors,
            name: name,
            offset: offset,
            sectorsPlace: place
        )
    }

    private static func name(_ bytes: ArraySlice<UInt8>, _ file: ImageFile, _ offset: UInt64) throws(StorageError)
        -> String
    {
        guard bytes.count <= maximumNameLength, let name = String(validating: bytes, as: UTF8.self) else {
            throw file.damaged("a value in its descriptor is no text of at most \(maximumNameLength) bytes", at: offset)
        }
        return name
    }
}

extension VMDKDescriptor {
    /// A line that is read word by word.
    private struct Line {
        let text: [UInt8]
        var position: Int
        let end: Int

        init(_ text: [UInt8], _ range: Range<Int>) {
            self.text = text
            position = range.lowerBound
            end = range.upperBound
            skipBlanks()
        }

        static func isBlank(_ byte: UInt8) -> Bool {
            byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\r")
        }

        static func trimmed(_ bytes: ArraySlice<UInt8>) -> Range<Int> {
            guard let first = bytes.firstIndex(where: { !isBlank($0) }),
                let last = bytes.lastIndex(where: { !isBlank($0) })
            else { return bytes.startIndex..<bytes.startIndex }
            return first..<last + 1
        }

        var peek: UInt8? { position < end ? text[position] : nil }

        private mutating func skipBlanks() {
            while position < end, Self.isBlank(text[position]) { position += 1 }
        }

        /// The word here, empty at the line's end, and the blanks behind it are passed.
        mutating func word() -> Range<Int> {
            let start = position
            while position < end, !Self.isBlank(text[position]) { position += 1 }
            let word = start..<position
            skipBlanks()
            return word
        }

        /// The text between the quotation marks here; nil where there are none.
        mutating func quoted() -> Range<Int>? {
            skipBlanks()
            guard peek == UInt8(ascii: "\""),
                let close = text[position + 1..<end].firstIndex(of: UInt8(ascii: "\""))
            else { return nil }
            let range = position + 1..<close
            position = close + 1
            skipBlanks()
            return range
        }
    }

    /// The sum of all extents in bytes.
    func virtualSize(_ file: ImageFile) throws(StorageError) -> UInt64 {
        var sectors: UInt64 = 0
        for extent in extents {
            let (sum, overflow) = sectors.addingReportingOverflow(extent.sectors)
            guard !overflow, sum <= ByteCount.maximum.bytes / VMDKHeader.sectorSize else {
                throw file.damaged("the extents of its descriptor are larger than any disk can be", at: 0)
            }
            sectors = sum
        }
        return sectors * VMDKHeader.sectorSize
    }

    /// The text where the first extent has another size.
    func resized(to sectors: UInt64) -> [UInt8] {
        var resized = text
        guard let extent = extents.first else { return resized }
        var changes = [(place: extent.sectorsPlace, value: "\(sectors)")]
        let (track, overflow) = heads.multipliedReportingOverflow(by: sectorsPerTrack)
        if let cylindersPlace, track > 0, !overflow {
            changes.append((cylindersPlace, "\(min(sectors / track, Self.maximumCylinders))"))
        }
        for change in changes.sorted(by: { $0.place.lowerBound > $1.place.lowerBound }) {
            resized.replaceSubrange(change.place, with: change.value.utf8)
        }
        return resized
    }

    /// The text of a new image with one extent.
    ///
    /// - Parameters:
    ///   - extent: The words of the extent's line behind its size.
    ///   - parent: The backing file's name, and the identifier of its content.
    static func text(
        createType: String,
        sectors: UInt64,
        extent: String,
        parent: (name: String, identifier: UInt32)?
    ) -> [UInt8] {
        // The two highest have meanings of their own.
        let identifier = UInt32.random(in: 0...0xFFFF_FFFD)
        let hint = parent.map { "parentFileNameHint=\"\($0.name)\"\n" } ?? ""
        let text = """
            # Disk DescriptorFile
            version=1
            encoding="UTF-8"
            CID=\(hexadecimal(identifier))
            parentCID=\(hexadecimal(parent?.identifier ?? noParent))
            createType="\(createType)"
            \(hint)
            # Extent description
            RW \(sectors) \(extent)

            # The Disk Data Base
            #DDB

            ddb.virtualHWVersion = "4"
            ddb.geometry.cylinders = "\(min(sectors / (16 * 63), maximumCylinders))"
            ddb.geometry.heads = "16"
            ddb.geometry.sectors = "63"
            ddb.adapterType = "ide"
            ddb.toolsVersion = "2147483647"

            """
        return Array(text.utf8)
    }

    private static func hexadecimal(_ value: UInt32) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}
