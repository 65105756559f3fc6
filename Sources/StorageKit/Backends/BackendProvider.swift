/// Makes the backends of one kind of pool; ``StorageManager`` is given one for each kind that it is to serve.
public struct BackendProvider: Sendable {
    /// The kind of pool.
    public let kind: PoolKind
    /// What a pool of this kind can do.
    public let operations: Set<PoolOperation>
    /// The formats of volumes that can be made.
    public let creatableFormats: [VolumeFormat]

    private let make: @Sendable (PoolDefinition) throws(StorageError) -> any PoolBackend

    /// Makes a provider from a type of backend, whose protocols say what a pool can do.
    ///
    /// - Parameters:
    ///   - kind: The kind of pool.
    ///   - type: The type of the backends.
    ///   - make: Makes the backend of a pool; it touches no storage.
    public init<Backend: PoolBackend>(
        kind: PoolKind,
        _ type: Backend.Type,
        make: @escaping @Sendable (PoolDefinition) throws(StorageError) -> Backend
    ) {
        self.kind = kind
        self.make = make
        operations = Set(PoolOperation.allCases.filter { $0.isOffered(by: type) })
        creatableFormats = (type as? any VolumeCreating.Type)?.creatableFormats ?? []
    }

    /// Makes the backend of a pool; it touches no storage.
    public func backend(for definition: PoolDefinition) throws(StorageError) -> any PoolBackend {
        try make(definition)
    }

    /// The backends that this build of storlib has.
    public static let all: [BackendProvider] = [.directory]
}
