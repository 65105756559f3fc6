/// The name of a secret; the secret itself is never in a document.
public enum SecretReference: Hashable, Sendable {
    /// By the secret's UUID.
    case uuid(StorageUUID)
    /// By what the secret is for.
    case usage(String)
}

extension SecretReference: Codable {
    private enum CodingKeys: String, CodingKey {
        case uuid
        case usage
    }

    /// Reads an object with one of the keys `uuid` and `usage`.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        if let uuid = try container.decodeIfPresent(StorageUUID.self, forKey: .uuid) {
            self = .uuid(uuid)
        } else {
            self = .usage(try container.decode(String.self, forKey: .usage))
        }
    }

    /// Writes an object with one of the keys `uuid` and `usage`.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .uuid(let uuid): try container.encode(uuid, forKey: .uuid)
        case .usage(let usage): try container.encode(usage, forKey: .usage)
        }
    }
}
