package import StorageBase

/// Opens the files that an image names: its backing file, and others that hold its data.
///
/// Who opens an image decides which files it may reach.
package struct ImageOpener: Sendable {
    private let body: @Sendable (_ name: String, _ image: ImageFile) throws(StorageError) -> ImageFile

    package init(_ body: @escaping @Sendable (_ name: String, _ image: ImageFile) throws(StorageError) -> ImageFile) {
        self.body = body
    }

    /// Opens a file for reading.
    ///
    /// - Parameters:
    ///   - name: The name as the image has it, relative to the image where it is no absolute path.
    ///   - image: The image that names it.
    package func open(_ name: String, namedBy image: ImageFile) throws(StorageError) -> ImageFile {
        try body(name, image)
    }
}
