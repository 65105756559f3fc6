/// The name of a secret; the secret itself is never in a document.
public enum SecretReference: Hashable, Sendable, Codable {
    /// By the secret's UUID.
    case uuid(StorageUUID)
    /// By what the secret is for.
    case usage(String)
}
