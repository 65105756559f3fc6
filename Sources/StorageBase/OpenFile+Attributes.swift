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
        var value = [UInt8](repeating: 0, count: Self.attributeLimit)
        do throws(StorageError) {
            let count = try systemCall("fgetxattr", "read attribute '\(name)' of '\(path)'", path: path) {
                unsafe value.withUnsafeMutableBytes { buffer in
                    unsafe storlib_fgetxattr(descriptor, name, buffer.baseAddress, buffer.count)
                }
            }
            return Array(value[..<count])
        } catch {
            guard error.cause as? Errno == .noData else { throw error }
            return nil
        }
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
