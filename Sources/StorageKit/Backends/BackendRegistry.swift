/// The backends that a manager serves, by kind.
struct BackendRegistry: Sendable {
    private let providers: [PoolKind: BackendProvider]

    init(_ backends: [BackendProvider]) {
        providers = Dictionary(backends.map { ($0.kind, $0) }) { _, last in last }
    }

    func provider(for kind: PoolKind) -> BackendProvider? { providers[kind] }

    func backend(for definition: PoolDefinition) throws(StorageError) -> any PoolBackend {
        guard let provider = providers[definition.kind] else {
            throw StorageError(
                .notSupported,
                "pool '\(definition.name)' is of type '\(definition.kind)', for which there is no backend here"
            )
        }
        return try provider.backend(for: definition)
    }
}
