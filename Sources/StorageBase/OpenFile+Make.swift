extension OpenFile {
    /// Opens a directory, and makes it and those above it where they do not exist.
    package static func directory(_ path: String, makingWithMode mode: UInt32) throws(StorageError) -> OpenFile {
        do throws(StorageError) {
            return try OpenFile(path, [.readOnly, .directory])
        } catch {
            guard error.code == .notFound, let (above, name) = path.splitPath, path != "/" else { throw error }
            let parent = try directory(above, makingWithMode: mode)
            do throws(StorageError) {
                try parent.makeDirectory(name, mode: mode)
                try parent.synchronize()
            } catch {
                // Another program made it meanwhile.
                guard error.code == .exists else { throw error }
            }
            return try parent.open(name, [.readOnly, .directory])
        }
    }
}
