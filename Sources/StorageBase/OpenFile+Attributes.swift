internal import CLinux
internal import SystemPackage

extension OpenFile {
    /// The longest value of an attribute: ext4 keeps all of a file's in one block (xattr(7)).
    package static var attributeLimit: Int { 4096 }

    /// The value of an extended attribute; nil where there is none.
    ///
    /// The corresponding C function is `fgetxattr`.
    ///
    /// - Throws: `StorageError` with code `notSupported` where the file system has no attributes.
    package func attribute(_ name: String) throws(StorageError) -> [UInt8]? {
        var failure: StorageError?
        var isThere = true
        // SAFETY: the call fills no more than the buffer.
        let value = unsafe [UInt8](unsafeUninitializedCapacity: Self.attributeLimit) { buffer, filled in
            do throws(StorageError) {
                filled = try systemCall("fgetxattr", "read attribute '\(name)' of '\(path)'", path: path) {
                    let count = unsafe storlib_fgetxattr(descriptor, name, buffer.baseAddress, buffer.count)
                    // Most files have none: that is no error to be made.
                    isThere = count != -Int(ENODATA)
                    return isThere ? count : 0
                }
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return isThere ? value : nil
    }

    /// Sets an extended attribute, of at most ``attributeLimit`` bytes.
    ///
    /// The corresponding C function is `fsetxattr`.
    ///
    /// - Throws: `StorageError` with code `notSupported` where the file system has no attributes, or `permissionDenied`.
    package func setAttribute(_ name: String, to value: [UInt8]) throws(StorageError) {
        try systemCall("fsetxattr", "set attribute '\(name)' of '\(path)'", path: path) {
            unsafe value.withUnsafeBytes { buffer in
                guard let start = buffer.baseAddress else { return Int32(0) }
                return unsafe storlib_fsetxattr(descriptor, name, start, buffer.count)
            }
        }
    }

    /// Removes an extended attribute, where there is one.
    ///
    /// The corresponding C function is `fremovexattr`.
    ///
    /// - Throws: `StorageError` with code `notSupported` where the file system has no attributes.
    package func removeAttribute(_ name: String) throws(StorageError) {
        do throws(StorageError) {
            try systemCall("fremovexattr", "remove attribute '\(name)' of '\(path)'", path: path) {
                unsafe storlib_fremovexattr(descriptor, name)
            }
        } catch {
            guard error.cause as? Errno == .noData else { throw error }
        }
    }
}
