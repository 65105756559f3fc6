internal import CLinux
internal import SystemPackage

extension OpenFile {
    /// The value of an extended attribute; nil where there is none, or the file system has no attributes.
    ///
    /// The corresponding C function is `fgetxattr`.
    package func attribute(_ name: String) throws(StorageError) -> [UInt8]? {
        var value = [UInt8](repeating: 0, count: 256)
        do throws(StorageError) {
            let count = try systemCall("fgetxattr", "read attribute '\(name)' of '\(path)'", path: path) {
                unsafe value.withUnsafeMutableBytes { buffer in
                    unsafe storlib_fgetxattr(descriptor, name, buffer.baseAddress, buffer.count)
                }
            }
            return Array(value[..<count])
        } catch {
            guard error.cause as? Errno == .noData || error.code == .notSupported else { throw error }
            return nil
        }
    }

    /// Sets an extended attribute, of at most 256 bytes.
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
    package func removeAttribute(_ name: String) throws(StorageError) {
        do throws(StorageError) {
            try systemCall("fremovexattr", "remove attribute '\(name)' of '\(path)'", path: path) {
                unsafe storlib_fremovexattr(descriptor, name)
            }
        } catch {
            guard error.cause as? Errno == .noData || error.code == .notSupported else { throw error }
        }
    }
}
