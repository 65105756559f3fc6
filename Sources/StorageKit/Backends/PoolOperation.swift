/// Something that pools of some kinds can do.
public enum PoolOperation: String, Hashable, Sendable, Codable, CaseIterable {
    /// The storage can be prepared: ``PoolBuilding``.
    case build
    /// The storage can be removed: ``PoolDeleting``.
    case delete
    /// Volumes can be made: ``VolumeCreating``.
    case createVolume
    /// Volumes can be made as copies of others: ``VolumeCloning``.
    case cloneVolume
    /// Volumes can be read as a guest sees them, mapped and checked: ``VolumeReading``.
    case readVolume
    /// The formats of volumes can be declared: ``VolumeDeclaring``.
    case declareVolume
    /// Volumes can be removed: ``VolumeDeleting``.
    case deleteVolume
    /// Volumes can change their size: ``VolumeResizing``.
    case resizeVolume
    /// Bytes can be written to volumes: ``VolumeUploading``.
    case uploadVolume
    /// The bytes of volumes can be read: ``VolumeDownloading``.
    case downloadVolume
    /// Volumes can be overwritten: ``VolumeWiping``.
    case wipeVolume

    func isOffered(by type: any PoolBackend.Type) -> Bool {
        switch self {
        case .build: type is any PoolBuilding.Type
        case .delete: type is any PoolDeleting.Type
        case .createVolume: type is any VolumeCreating.Type
        case .cloneVolume: type is any VolumeCloning.Type
        case .readVolume: type is any VolumeReading.Type
        case .declareVolume: type is any VolumeDeclaring.Type
        case .deleteVolume: type is any VolumeDeleting.Type
        case .resizeVolume: type is any VolumeResizing.Type
        case .uploadVolume: type is any VolumeUploading.Type
        case .downloadVolume: type is any VolumeDownloading.Type
        case .wipeVolume: type is any VolumeWiping.Type
        }
    }
}
