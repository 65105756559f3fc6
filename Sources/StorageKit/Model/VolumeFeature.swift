/// A feature of the qcow2 format; the raw value is the name of its element.
public enum VolumeFeature: String, Hashable, Sendable, Codable, CaseIterable {
    /// Reference counts are written late, and rebuilt after a crash.
    case lazyRefcounts = "lazy_refcounts"
    /// Clusters are allocated in 32 parts.
    case extendedL2 = "extended_l2"
}
