/// What each step of long work looks at: who hears of it, and whether it is to stop.
package struct TransferControl: Sendable {
    package let progress: ProgressMeter
    package let cancellation: Cancellation

    package init(_ progress: ProgressMeter, _ cancellation: Cancellation) {
        self.progress = progress
        self.cancellation = cancellation
    }

    /// How long a call may wait for a pipe before it looks whether it is to stop.
    static let patience: Int32 = 100

    /// What is moved between two looks: large enough for the disk, small enough to stop soon and to leave memory alone.
    static let bufferSize = 4 << 20

    /// What the kernel moves by itself between two looks.
    static let kernelStep: UInt64 = 8 << 20

    package func advance(by count: UInt64) {
        progress.advance(by: ByteCount(count))
    }
}
