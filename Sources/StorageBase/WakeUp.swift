internal import CLinux

/// A bell that ends another thread's wait.
///
/// The corresponding C function is `eventfd`.
package final class WakeUp: Sendable {
    let file: OpenFile

    package init() throws(StorageError) {
        let descriptor = try systemCall("eventfd", "make a wake-up", path: nil) { storlib_eventfd() }
        file = OpenFile(adopting: descriptor, path: "eventfd")
    }

    /// Ends the wait, now or when it begins.
    package func ring() {
        var count: UInt64 = 1
        _ = unsafe storlib_write(file.descriptor, &count, MemoryLayout<UInt64>.size)
    }
}
