internal import StorageBase

/// The tables of a Mac disk image, one for each of its partitions, in the resource fork or in a property list.
struct DMGTables {
    private static let magic = Array("mish".utf8)
    private static let headerByteCount = 204
    private static let entryByteCount = 40

    /// The chunks of all tables, in the order of the disk.
    private(set) var chunks: [DMGChunk] = []
    private let trailer: DMGTrailer
    private let file: ImageFile

    init(_ trailer: DMGTrailer, _ file: ImageFile) throws(StorageError) {
        self.trailer = trailer
        self.file = file
        // As QEMU has it: where both are, they say the same.
        if !trailer.resourceFork.isEmpty {
            try readResourceFork(trailer.resourceFork)
        } else if !trailer.propertyList.isEmpty {
            try readPropertyList(trailer.propertyList)
        } else {
            throw file.damaged("it has no table of its content", at: trailer.offset)
        }
        chunks.sort { $0.range.lowerBound < $1.range.lowerBound }
    }

    /// The resources' data is one after the other, each behind its length; the map of their types is not needed.
    private mutating func readResourceFork(_ range: Range<UInt64>) throws(StorageError) {
        let fork = try bytes(range, "its resource fork")
        guard fork.count >= 16 else {
            throw file.damaged("a resource fork of \(fork.count) bytes is too short", at: range.lowerBound)
        }
        let start = try UInt64(fork.bigEndian(UInt32.self, at: 0))
        let length = try UInt64(fork.bigEndian(UInt32.self, at: 8))
        guard start <= UInt64(fork.count), length <= UInt64(fork.count) - start else {
            throw file.damaged("the resources' data lies outside the resource fork", at: range.lowerBound)
        }
        var position = Int(start)
        let end = position + Int(length)
        while position < end {
            let place = range.lowerBound + UInt64(position)
            let count = end - position >= 4 ? try Int(fork.bigEndian(UInt32.self, at: position)) : 0
            guard count <= end - position - 4 else {
                throw file.damaged("a resource of \(count) bytes lies outside the resource fork", at: place)
            }
            position += 4
            let resource = Array(fork[position..<position + count])
            if resource.starts(with: Self.magic) { try read(resource, at: place + 4) }
            position += count
        }
    }

    private mutating func readPropertyList(_ range: Range<UInt64>) throws(StorageError) {
        let list = try DMGPropertyList(bytes(range, "its property list"))
        guard !list.tables.isEmpty else {
            throw file.damaged("the property list has no table", at: range.lowerBound)
        }
        for element in list.tables {
            let place = range.lowerBound + UInt64(element.startIndex)
            guard let table = DMGPropertyList.data(element) else {
                throw file.damaged("a table is not in base64", at: place)
            }
            guard table.starts(with: Self.magic) else { throw file.damaged("a table has another signature", at: place) }
            try read(table, at: place)
        }
    }

    private func bytes(_ range: Range<UInt64>, _ what: String) throws(StorageError) -> [UInt8] {
        try file.bytes(at: range.lowerBound, count: Int(range.upperBound - range.lowerBound), what)
    }

    /// Reads a table; `place` is where in the file it lies, encoded or not.
    private mutating func read(_ table: [UInt8], at place: UInt64) throws(StorageError) {
        guard table.count >= Self.headerByteCount else {
            throw file.damaged("a table of \(table.count) bytes is too short", at: place)
        }
        let firstSector = try table.bigEndian(UInt64.self, at: 8)
        let dataOffset = try table.bigEndian(UInt64.self, at: 24)
        let count = try Int(table.bigEndian(UInt32.self, at: 200))
        guard count <= (table.count - Self.headerByteCount) / Self.entryByteCount else {
            throw file.damaged("a table of \(table.count) bytes cannot have \(count) chunks", at: place)
        }
        let base = trailer.dataForkOffset.addingReportingOverflow(dataOffset)
        chunks.reserveCapacity(chunks.count + count)
        for index in 0..<count {
            let entry = Self.headerByteCount + index * Self.entryByteCount
            guard let kind = try DMGChunk.Kind(table.bigEndian(UInt32.self, at: entry)) else { continue }
            let sector = try firstSector.addingReportingOverflow(table.bigEndian(UInt64.self, at: entry + 8))
            let sectorCount = try table.bigEndian(UInt64.self, at: entry + 16)
            let offset = try base.partialValue.addingReportingOverflow(table.bigEndian(UInt64.self, at: entry + 24))
            let length = try table.bigEndian(UInt64.self, at: entry + 32)
            let end = sector.partialValue.addingReportingOverflow(sectorCount)
            guard !sector.overflow, !end.overflow, end.partialValue <= ByteCount.maximum.bytes / 512 else {
                throw file.damaged("chunk \(index) of a table is larger than any disk can be", at: place)
            }
            guard !base.overflow, !offset.overflow else {
                throw file.damaged("chunk \(index) of a table lies outside any file", at: place)
            }
            guard sectorCount > 0 else { continue }
            chunks.append(
                DMGChunk(
                    kind: kind,
                    range: sector.partialValue * 512..<end.partialValue * 512,
                    offset: offset.partialValue,
                    length: length
                )
            )
        }
    }
}
