internal import StorageBase

/// The footer that counts, of those at the two ends of a VHD.
struct VHDFooters {
    let footer: VHDFooter
    /// What is wrong with the other one.
    let damage: (reason: String, offset: UInt64)?
    /// Whether there is a whole footer at the file's end.
    let endIsWhole: Bool

    init(_ file: ImageFile) throws(StorageError) {
        let length = UInt64(VHDFooter.byteCount)
        guard file.size >= length else {
            throw file.damaged("a file of \(file.size) bytes has no room for a footer", at: 0)
        }
        let end = file.size - length
        let first = try file.bytes(at: 0, count: VHDFooter.byteCount, "the copy of its footer")
        let last = try file.bytes(at: end, count: VHDFooter.byteCount, "its footer")
        endIsWhole = VHDFooter.isWhole(last)
        let atEnd = endIsWhole ? try VHDFooter(last) : nil
        let atBeginning = VHDFooter.isWhole(first) ? try VHDFooter(first) : nil
        // The first sector of a fixed disk is its guest's, who may write a footer there.
        if let atEnd, atEnd.type == .fixed {
            footer = atEnd
            damage = nil
        } else if let atBeginning, atBeginning.type != .fixed {
            footer = atBeginning
            damage =
                first == last
                ? nil
                : (
                    endIsWhole
                        ? "the footer at its end differs from the copy at its beginning"
                        : "the footer at its end is damaged", end
                )
        } else if let atEnd {
            footer = atEnd
            damage = ("the copy of the footer at its beginning is damaged", 0)
        } else {
            let reason = "neither its last sector nor its first one is a footer with the right checksum"
            throw file.damaged(reason, at: VHDFooter.begins(last) || !VHDFooter.begins(first) ? end : 0)
        }
    }
}
