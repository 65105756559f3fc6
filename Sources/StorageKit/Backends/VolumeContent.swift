package import DiskImages

/// A volume that is open to be read as a guest sees it, with its backing files; one thread at a time uses it.
///
/// Nobody who obeys its lock writes to it meanwhile.
public final class VolumeContent {
    /// The volume, as it was when it was opened.
    public let volume: Volume
    package let chain: ImageChain
    let assumption: PlanOutline.Assumption

    init(_ volume: Volume, _ chain: ImageChain, assumption: PlanOutline.Assumption) {
        self.volume = volume
        self.chain = chain
        self.assumption = assumption
    }

    /// The size that a guest sees.
    public var capacity: ByteCount { ByteCount(chain.virtualSize) }
}
