/// A pool whose volumes can be read as a guest sees them.
public protocol VolumeReading: PoolBackend {
    /// Opens a volume and its backing files.
    ///
    /// - Throws: `StorageError` with code `volumeNotFound`, `busy` where somebody writes to it, `damagedImage`, or
    ///   `outsidePool` where its backing file is outside the pool and nobody declared it.
    func content(ofVolume name: String) throws(StorageError) -> VolumeContent

    /// Where the content lies.
    func map(ofVolume name: String, cancellation: Cancellation) throws(StorageError) -> ImageMap

    /// Looks at all tables of the volume's image.
    ///
    /// - Parameters:
    ///   - name: The volume's name.
    ///   - repairingLeaks: Whether clusters that nothing refers to are freed.
    ///   - cancellation: Stops the look.
    func check(
        volume name: String,
        repairingLeaks: Bool,
        cancellation: Cancellation
    ) throws(StorageError) -> ImageCheck
}

/// A pool in which volumes can be made as copies of others.
public protocol VolumeCloning: VolumeCreating {
    /// What copying a volume would do.
    func outlineClone(of source: VolumeContent, as definition: VolumeDefinition) throws(StorageError) -> PlanOutline

    /// Makes a volume that holds what a guest sees of another one; it appears whole or not at all.
    func cloneVolume(
        _ source: VolumeContent,
        as definition: VolumeDefinition,
        following outline: PlanOutline,
        progress: ProgressMeter,
        cancellation: Cancellation
    ) throws(StorageError) -> Volume
}

/// A pool that remembers which format a volume was made with, whatever a guest writes into it.
public protocol VolumeDeclaring: PoolBackend {
    /// What declaring a volume's format would do.
    ///
    /// - Throws: `StorageError` with code `volumeNotFound`, `damagedImage` where the volume is no such image, or another.
    func outlineDeclaration(of name: String, format: VolumeFormat) throws(StorageError) -> PlanOutline

    /// Remembers a volume's format, and the backing file that its header names.
    func declareVolume(
        _ name: String,
        format: VolumeFormat,
        following outline: PlanOutline
    ) throws(StorageError)
}
