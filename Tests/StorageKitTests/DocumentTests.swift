import Foundation
import StorageKit
import Testing

struct DocumentTests {
    static func names(_ folder: String) -> [String] {
        let files = try? FileManager.default.contentsOfDirectory(atPath: fixtures("Documents/\(folder)").path)
        return (files ?? []).filter { $0.hasSuffix(".xml") }.sorted()
    }

    private func text(_ path: String) throws -> String {
        try String(contentsOf: fixtures("Documents/\(path)"), encoding: .utf8)
    }

    @Test func thereAreFixtures() {
        #expect(Self.names("pool-in").count >= 20)
        #expect(Self.names("volume-in").count >= 8)
    }

    @Test(arguments: names("pool-in"))
    func poolDocumentsComeOutByteForByte(file: String) throws {
        let definition = try PoolDefinition(xml: text("pool-in/\(file)"), source: file)
        #expect(try definition.xml() == text("pool-out/\(file)"))
        #expect(try PoolDefinition(xml: definition.xml()) == definition)
    }

    @Test(arguments: names("volume-in"))
    func volumeDocumentsComeOutByteForByte(file: String) throws {
        let kind: PoolKind = file.hasPrefix("partition") ? .disk : file.hasPrefix("logical") ? .logical : .directory
        let definition = try VolumeDefinition(
            xml: text("volume-in/\(file)"),
            poolKind: kind,
            capacity: .optional,
            source: file
        )
        #expect(try definition.xml() == text("volume-out/\(file)"))
        let again = try VolumeDefinition(xml: definition.xml(), poolKind: kind, capacity: .optional)
        #expect(again.xml() == definition.xml())
    }

    /// Every kind of pool, with all that its kind can have, survives JSON and XML.
    @Test(arguments: PoolKind.allCases)
    func noInformationIsLost(kind: PoolKind) throws {
        var definition = PoolDefinition(
            kind: kind,
            name: "a",
            uuid: .random(),
            targetPath: kind.hasTestTarget ? "/t" : nil
        )
        definition.source.hosts = [.init(name: "h", port: 1), .init(name: "::1")]
        definition.source.devices = [.init(path: "/dev/a", partitionSeparator: false), .init(path: "/dev/b")]
        definition.source.directory = "/d"
        definition.source.name = "n"
        definition.source.initiator = "iqn.2026-01.a:b"
        definition.source.format = kind.sourceFormats.last
        definition.source.adapter = .hostAt(address: .init(domain: 0, bus: 1, slot: 2, function: 3), uniqueID: 4)
        definition.source.authentication = .init(method: .chap, username: "u", secret: .usage("s"))
        definition.source.vendor = "v"
        definition.source.product = "p"
        definition.permissions = Permissions(mode: 0o750, owner: 1, group: 2, label: "l")
        definition.mountOptions = ["ro", "a=b"]
        definition.rbdOptions = [.init(name: "n", value: "v")]
        definition.volumeAllocation = .capacity
        definition = try definition.normalized()
        #expect(try PoolDefinition(xml: definition.xml()) == definition)
        let json = try JSONEncoder().encode(definition)
        #expect(try JSONDecoder().decode(PoolDefinition.self, from: json) == definition)
    }

    @Test func theSpecificationsSpellingsAreRead() throws {
        let pool = try PoolDefinition(
            xml: """
                <pool type="netfs"><name>a</name><source><host name="h"/><directory path="/d//e/"/></source>
                <target><path>/t</path></target></pool>
                """
        )
        #expect(pool.source.directory == "/d/e")
        #expect(pool.xml().contains("<dir path='/d/e'/>"))
        let uuid = StorageUUID.random()
        let volume = try VolumeDefinition(
            xml: "<volume><name>a</name><uuid>\(uuid)</uuid><capacity>10</capacity></volume>"
        )
        #expect(volume.uuid == uuid)
        #expect(volume.xml().contains("  <uuid>\(uuid)</uuid>\n"))
        #expect(volume.allocation == nil)
        #expect(volume.xml().contains("<allocation unit='bytes'>10</allocation>"))
    }

    @Test func aVolumeWithABackingFileNeedsNoCapacity() throws {
        let xml = "<volume><name>a</name><backingStore><path>/b</path></backingStore></volume>"
        #expect(try VolumeDefinition(xml: xml).capacity == nil)
        #expect(throws: StorageError.self) { try VolumeDefinition(xml: "<volume><name>a</name></volume>") }
    }
}

extension PoolKind {
    fileprivate var hasTestTarget: Bool {
        switch self {
        case .rbd, .sheepdog, .gluster, .iscsiDirect: false
        default: true
        }
    }
}
