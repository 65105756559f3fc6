package import StorageBase

extension VDIImage: ResizableImage {
    package func validateResize(to size: UInt64) throws(StorageError) {
        _ = try VDIResize(self, to: size, Cancellation())
    }

    /// Changes the size; the image is to be opened anew afterwards.
    package func resize(to size: UInt64, cancellation: Cancellation) throws(StorageError) {
        try VDIResize(self, to: size, cancellation).apply(cancellation)
    }
}
