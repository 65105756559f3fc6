internal import CLinux

/// A lock that programs hold on a lock file, until the end of its life; the kernel frees it with its program.
package struct FileLock: ~Copyable, Sendable {
    package let file: OpenFile

    /// Waits for the lock, at most until the deadline.
    ///
    /// The corresponding C function is `flock`, tried again after 1 ms, then at longer intervals up to 50 ms.
    ///
    /// - Throws: `StorageError` with code `busy` past the deadline.
    package init(
        _ file: consuming OpenFile,
        exclusive: Bool,
        deadline: ContinuousClock.Instant,
        cancellation: Cancellation,
        holding object: String
    ) throws(StorageError) {
        var pause: UInt32 = 1000
        while try !file.tryLock(exclusive: exclusive) {
            try cancellation.check()
            guard ContinuousClock.now < deadline else {
                let holder = LockHolder(of: file)
                throw StorageError(
                    .busy,
                    "\(object) is locked by \(holder?.description ?? "another program")",
                    hint: "try again when it is done, or with a longer lock timeout",
                    context: StorageError.Context(path: file.path)
                )
            }
            usleep(pause)
            pause = min(pause * 2, 50_000)
        }
        self.file = file
    }
}
