internal import StorageBase

extension ImageFile {
    /// Reads the name of another file; the caller has limited its length.
    func name(at offset: UInt64, count: Int, _ what: @autoclosure () -> String) throws(StorageError)
        -> String
    {
        let bytes = try bytes(at: offset, count: count, what())
        guard !bytes.contains(0), let name = String(validating: bytes, as: UTF8.self) else {
            throw damaged("\(what()) is not text", at: offset)
        }
        return name
    }
}
