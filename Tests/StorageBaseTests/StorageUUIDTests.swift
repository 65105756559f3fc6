import NameBasedUUID
import StorageBase
import Testing

struct StorageUUIDTests {
    private static let text = "70a7eb15-6c34-ee9c-bf57-69e8e5ff3fb2"

    @Test(arguments: [
        text, "70A7EB15-6C34-EE9C-BF57-69E8E5FF3FB2", "70a7eb156c34ee9cbf5769e8e5ff3fb2", "  \(text)\n",
        "70-a7-eb-15-6c-34-ee-9c-bf-57-69-e8-e5-ff-3f-b2", "70a7eb15 6c34ee9c bf5769e8 e5ff3fb2",
    ])
    func readsEverySpelling(text: String) {
        #expect(StorageUUID(text)?.description == Self.text)
    }

    @Test(arguments: [
        "", "70a7eb15", "\(text)0", "\(text) x", "7-0a7eb156c34ee9cbf5769e8e5ff3fb2",
        "g0a7eb15-6c34-ee9c-bf57-69e8e5ff3fb2",
    ])
    func refusesOtherText(text: String) {
        #expect(StorageUUID(text) == nil)
    }

    @Test func randomOnesAreOfVersion4() throws {
        let uuid = StorageUUID.random().description
        #expect(StorageUUID(uuid)?.description == uuid)
        #expect(uuid.dropFirst(14).first == "4")
        #expect("89ab".contains(try #require(uuid.dropFirst(19).first)))
        #expect(StorageUUID.random() != StorageUUID.random())
    }

    /// The example of RFC 9562, A.4.
    @Test func namedOnesAreThoseOfTheStandard() throws {
        let names = try #require(StorageUUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8"))
        #expect(
            StorageUUID(namespace: names, name: "www.example.com")?.description
                == "2ed6657d-e927-568b-95e1-2665a8aea6a2"
        )
    }
}
