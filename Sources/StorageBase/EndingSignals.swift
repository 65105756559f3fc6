internal import CLinux

/// The signals with which a user or the system ends a program: SIGINT, SIGTERM and SIGHUP.
package enum EndingSignals {
    /// Hands the first of these signals to a closure in place of ending the program; the second ends it.
    ///
    /// Call it before the program has other threads: those that are made later take none of these signals. The corresponding
    /// C function is `sigwait`.
    package static func handle(_ body: @escaping @Sendable (Int32) -> Void) throws(StorageError) {
        storlib_block_ending_signals(1)
        try startThread {
            let signal = storlib_wait_for_ending_signal()
            storlib_block_ending_signals(0)
            body(signal)
            while true { sleep(.max) }
        }
    }

    /// Ends the program as a signal would have, so that a shell sees by what it ended.
    ///
    /// The corresponding C function is `raise`.
    package static func end(by number: Int32) {
        storlib_block_ending_signals(0)
        storlib_end_by(number)
    }
}
