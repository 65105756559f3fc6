internal import StorageBase

/// The structures of a VHDX file as they are once its log is replayed, which happens in memory.
struct VHDXSource {
    let file: ImageFile
    var log: VHDXLog?

    /// Reads exactly so many bytes; `what` names the structure in the error where the file ends before.
    func bytes(at offset: UInt64, count: Int, _ what: @autoclosure () -> String) throws(StorageError) -> [UInt8] {
        var bytes = try file.bytes(at: offset, count: count, what())
        log?.apply(to: &bytes, at: offset)
        return bytes
    }
}
