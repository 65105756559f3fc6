internal import CLinux

/// A counting semaphore between threads.
///
/// The corresponding C type is `sem_t` (sem_overview(7)).
// SAFETY: sem_post and sem_timedwait may be called on the same semaphore from any thread at once (POSIX).
@safe package final class Semaphore: @unchecked Sendable {
    private let semaphore: UnsafeMutablePointer<sem_t>

    package init() {
        unsafe semaphore = .allocate(capacity: 1)
        unsafe sem_init(semaphore, 0, 0)
    }

    deinit {
        unsafe sem_destroy(semaphore)
        unsafe semaphore.deallocate()
    }

    package func signal() {
        unsafe sem_post(semaphore)
    }

    /// Waits for a signal; false where none came in time.
    func wait(seconds: Int) -> Bool {
        var deadline = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &deadline)
        deadline.tv_sec += seconds
        while true {
            let result = unsafe storlib_sem_timedwait(semaphore, &deadline)
            if result != -EINTR { return result == 0 }
        }
    }

    /// Waits for a signal.
    package func wait() {
        while unsafe sem_wait(semaphore) != 0 {}
    }
}
