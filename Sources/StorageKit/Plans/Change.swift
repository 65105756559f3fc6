/// A change of pools or volumes; pools are given by name.
public enum Change: Hashable, Sendable, Codable {
    /// Writes a pool's definition.
    case define(pool: PoolDefinition)
    /// Removes a pool's definition; its storage stays.
    case undefine(pool: String)
    /// Starts a pool without a definition; it vanishes at its stop.
    case create(pool: PoolDefinition, build: BuildMode?)
    /// Starts a defined pool.
    case start(pool: String, build: BuildMode?)
    /// Stops a pool.
    case stop(pool: String)
    /// Prepares a pool's storage.
    case build(pool: String, mode: BuildMode)
    /// Removes a pool's storage; its definition stays.
    case delete(pool: String)
    /// Removes what interrupted changes left behind in a pool.
    case refresh(pool: String)
    /// Marks a pool to be started at boot, or not.
    case autostart(pool: String, isOn: Bool)
    /// Makes a volume.
    case createVolume(pool: String, definition: VolumeDefinition)
    /// Makes a volume that holds what a guest sees of another one.
    case cloneVolume(pool: String, definition: VolumeDefinition, source: VolumeReference)
    /// Says which format a volume has, whatever its content says, and that its backing file may be followed.
    case declareVolume(pool: String, name: String, format: VolumeFormat)
    /// Removes a volume and its data.
    case deleteVolume(pool: String, name: String)
    /// Changes a volume's size.
    case resizeVolume(pool: String, name: String, size: VolumeSize)
    /// Writes bytes over those of a volume; where they come from is said when the plan is applied.
    case uploadVolume(pool: String, name: String, options: TransferOptions)
    /// Overwrites all of a volume.
    case wipeVolume(pool: String, name: String, algorithm: WipeAlgorithm, isForced: Bool)
}

extension Change {
    /// The name of the pool that changes.
    public var pool: String {
        switch self {
        case .define(let definition), .create(let definition, _): definition.name
        case .undefine(let pool), .start(let pool, _), .stop(let pool), .build(let pool, _), .delete(let pool),
            .refresh(let pool), .autostart(let pool, _), .createVolume(let pool, _), .cloneVolume(let pool, _, _),
            .declareVolume(let pool, _, _),
            .deleteVolume(let pool, _), .resizeVolume(let pool, _, _), .uploadVolume(let pool, _, _),
            .wipeVolume(let pool, _, _, _):
            pool
        }
    }
}
