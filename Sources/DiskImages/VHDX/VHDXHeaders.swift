internal import StorageBase

/// The header that counts, of the two that a VHDX file has ([MS-VHDX] 2.2.2).
struct VHDXHeaders {
    let current: VHDXHeader
    /// Which of the two it is.
    let index: Int
    /// Whether the other one is damaged, as it is when a change of it was interrupted.
    let otherIsDamaged: Bool

    init(_ file: ImageFile) throws(StorageError) {
        var headers: [VHDXHeader?] = []
        for offset in VHDXHeader.offsets {
            headers.append(try VHDXHeader(file.bytes(at: offset, count: VHDXHeader.byteCount, "its headers")))
        }
        switch (headers[0], headers[1]) {
        case (nil, nil):
            throw file.damaged("the checksums of both of its headers are wrong", at: VHDXHeader.offsets[0])
        case (let first?, nil): (current, index) = (first, 0)
        case (nil, let second?): (current, index) = (second, 1)
        case (let first?, let second?):
            // Disk2vhd makes two that are the same.
            guard first.sequenceNumber != second.sequenceNumber || first.bytes == second.bytes else {
                throw file.damaged("its two headers differ and claim to be equally new", at: VHDXHeader.offsets[0])
            }
            (current, index) = second.sequenceNumber > first.sequenceNumber ? (second, 1) : (first, 0)
        }
        otherIsDamaged = headers[1 - index] == nil
        try validate(file)
    }

    private func validate(_ file: ImageFile) throws(StorageError) {
        let offset = VHDXHeader.offsets[index]
        guard current.version == 1 else {
            throw file.unsupported("VHDX version \(current.version) is not known", at: offset + 66)
        }
        guard current.logVersion == 0 else {
            throw file.unsupported("VHDX log version \(current.logVersion) is not known", at: offset + 64)
        }
        let (logEnd, overflow) = current.logOffset.addingReportingOverflow(UInt64(current.logLength))
        guard current.logOffset >= VHDXHeader.sectionLength, current.logOffset % VHDXHeader.alignment == 0,
            UInt64(current.logLength) % VHDXHeader.alignment == 0, !overflow, logEnd <= file.size
        else {
            throw file.damaged("its log is not on whole MiB within the file", at: offset + 68)
        }
    }
}
