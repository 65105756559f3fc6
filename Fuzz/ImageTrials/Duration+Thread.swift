import Glibc

extension Duration {
    /// The processor's time that this thread has had: what other programs do does not count.
    ///
    /// The corresponding C function is `clock_gettime`.
    static var ofThread: Duration {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
}
