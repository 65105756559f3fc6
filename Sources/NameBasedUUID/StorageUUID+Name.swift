private import CLibUUID
package import StorageBase

extension StorageUUID {
    /// Makes the UUID of a name in a namespace (RFC 9562, version 5): the same on every run.
    ///
    /// The corresponding C function is `uuid_generate_sha1`.
    package init?(namespace: StorageUUID, name: String) {
        var bytes = [UInt8](repeating: 0, count: 16)
        let space = namespace.bytes
        unsafe bytes.withUnsafeMutableBufferPointer { result in
            unsafe space.withUnsafeBufferPointer { space in
                if let result = result.baseAddress, let space = space.baseAddress {
                    unsafe storlib_uuid_generate_sha1(result, space, name, name.utf8.count)
                }
            }
        }
        self.init(bytes: bytes)
    }
}
