/// A bit for each sector of a block: whether the image itself holds the sector, or its backing file.
struct SectorBitmap {
    let bytes: [UInt8]
    /// Whether the first sector of a byte has its highest bit.
    let isMostSignificantBitFirst: Bool

    /// Whether the image holds a sector; a sector beyond the bitmap is none of its.
    subscript(sector: UInt64) -> Bool {
        guard sector / 8 < UInt64(bytes.count) else { return false }
        let bit = isMostSignificantBitFirst ? 7 - sector % 8 : sector % 8
        return bytes[Int(sector / 8)] >> bit & 1 != 0
    }

    /// Where the sectors end, at a limit or before, that have the same source as one.
    func endOfRun(from sector: UInt64, limit: UInt64) -> UInt64 {
        let value = self[sector]
        var end = sector + 1
        while end < limit {
            // A byte at once, where all of its sectors are alike.
            if end % 8 == 0, limit - end >= 8, end / 8 < UInt64(bytes.count),
                bytes[Int(end / 8)] == (value ? 0xFF : 0)
            {
                end += 8
            } else if self[end] == value {
                end += 1
            } else {
                break
            }
        }
        return end
    }
}
