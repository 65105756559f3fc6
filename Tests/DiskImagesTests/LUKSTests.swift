import DiskImages
import Foundation
import StorageBase
import Testing

struct LUKSTests {
    private static let hasCryptsetup = FileManager.default.isExecutableFile(atPath: "/usr/sbin/cryptsetup")
    private let scratch = ImageScratch()

    private func version1(payloadSectors: UInt32, fileSize: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: max(fileSize, 592))
        bytes.store(Array("LUKS".utf8) + [0xBA, 0xBE, 0, 1], at: 0)
        bytes.store(Array("aes".utf8), at: 8)
        bytes.store(Array("xts-plain64".utf8), at: 40)
        bytes.store(Array("sha256".utf8), at: 72)
        bytes.store(bigEndian: payloadSectors, at: 104)
        bytes.store(bigEndian: UInt32(64), at: 108)
        return Array(bytes[..<fileSize])
    }

    private func version2(_ metadata: String, headerSize: UInt64 = 16384, fileSize: Int = 100_000) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: fileSize)
        bytes.store(Array("LUKS".utf8) + [0xBA, 0xBE, 0, 2], at: 0)
        bytes.store(bigEndian: headerSize, at: 8)
        bytes.store(Array("sha256".utf8), at: 72)
        bytes.store(Array(metadata.utf8), at: 4096)
        return bytes
    }

    private func segment(_ offset: String, _ size: String) -> String {
        """
        {"type":"crypt","offset":"\(offset)","size":"\(size)","iv_tweak":"0","encryption":"aes-xts-plain64","sector_size":512}
        """
    }

    @Test(.enabled(if: hasCryptsetup, "cryptsetup-bin is not installed"), arguments: ["luks1", "luks2"])
    func whatCryptsetupMakesIsDescribed(type: String) throws {
        let options = [[], ["--cipher", "aes-cbc-essiv:sha256", "--key-size", "256"], ["--offset", "65536"]]
        for (index, option) in options.enumerated() {
            let name = "image-\(index)"
            let size: UInt64 = (40 << 20) + 512 * 8
            let file = try scratch.makeFile(name)
            try file.file.setSize(ByteCount(size))
            try scratch.write(Array("secret".utf8), to: "key")
            try scratch.run(
                "../sbin/cryptsetup",
                ["luksFormat", "-q", "--type", type, "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"] + option
                    + [
                        name, "key",
                    ]
            )
            let opened = try scratch.open(name)
            #expect(try ImageFormat.probe(opened).rawValue == (type == "luks1" ? "luks" : "luks2"))
            let description = try #require(try ImageFormat.probe(opened).image).describe(opened)
            #expect(description.encryption == description.format.rawValue)
            #expect(description.subformat == (index == 1 ? "aes-cbc-essiv:sha256" : "aes-xts-plain64"))
            let dump = try scratch.run("../sbin/cryptsetup", ["luksDump", name])
            let field = type == "luks1" ? /Payload offset:\s*(\d+)/ : /offset: (\d+) \[bytes\]/
            let number = try #require(dump.firstMatch(of: field)?.1)
            let offset = try #require(UInt64(number)) * (type == "luks1" ? 512 : 1)
            #expect(description.virtualSize.bytes == size - offset)
            if type == "luks1" {
                let information = try scratch.information(name)
                #expect(information["format"] as? String == "luks")
                #expect(information["virtual-size"] as? UInt64 == description.virtualSize.bytes)
            }
            let image = try scratch.image(name)
            let error = #expect(throws: StorageError.self) { try image.extent(at: 0) }
            #expect(error?.code == .notSupported && error?.message.contains("encrypted") == true)
            #expect(try scratch.check(name).isClean)
        }
    }

    @Test func version1IsDescribedByItsHeader() throws {
        for (sectors, size, virtualSize) in [(2, 4096, 3072), (8, 4096, 0)] as [(UInt32, Int, UInt64)] {
            try scratch.write(version1(payloadSectors: sectors, fileSize: size), to: "image")
            let description = try ImageFormat.luks.describe(scratch.open("image"))
            #expect(description.virtualSize.bytes == virtualSize && description.version == "1")
        }
        for (sectors, size, code) in [
            (0, 4096, .notSupported), (1, 4096, .damagedImage), (9, 4096, .damagedImage), (.max, 4096, .damagedImage),
            (2, 591, .damagedImage),
        ] as [(UInt32, Int, StorageError.Code)] {
            try scratch.write(version1(payloadSectors: sectors, fileSize: size), to: "image")
            let error = #expect(throws: StorageError.self) { try ImageFormat.luks.describe(scratch.open("image")) }
            #expect(error?.code == code, "\(sectors)")
        }
    }

    @Test func version2IsDescribedByItsSegments() throws {
        let cases: [(String, UInt64)] = [
            ("{\"segments\":{\"0\":\(segment("32768", "dynamic"))}}", 100_000 - 32768),
            ("{\"segments\":{\"0\":\(segment("32768", "4096"))}}", 4096),
            // Two segments while the container is encrypted anew.
            (
                "{\"segments\":{\"1\":\(segment("40960", "dynamic")),\"0\":\(segment("32768", "8192"))}}",
                100_000 - 32768
            ),
            ("{\"segments\":{\"1\":\(segment("40960", "4096")),\"0\":\(segment("32768", "8192"))}}", 12288),
            // Space, escapes, and values of all kinds that are passed over.
            (
                """
                { "tokens" : {"0":{"a\\"b":["x\\\\", -1.5e+3, true, null, {}, [] ]}} ,
                  "segments" : { "0" : { "offset" : "32768" , "flags":["backup"], "size" : "dynamic" } } , "config":{} }
                """, 100_000 - 32768
            ),
        ]
        for (metadata, size) in cases {
            try scratch.write(version2(metadata), to: "image")
            let file = try scratch.open("image")
            #expect(try ImageFormat.probe(file) == .luks2)
            let description = try ImageFormat.luks2.describe(file)
            #expect(description.virtualSize.bytes == size, "\(metadata)")
            #expect(description.version == "2")
        }
    }

    @Test(arguments: [
        "", "{}", "[]", "{\"segments\":{}}", "{\"segments\":{\"0\":{}}}", "{\"segments\":[]}",
        "{\"segments\":{\"0\":{\"offset\":\"32768\"}}}",
        "{\"segments\":{\"0\":{\"offset\":32768,\"size\":\"dynamic\"}}}",
        "{\"segments\":{\"0\":{\"offset\":\"-1\",\"size\":\"dynamic\"}}}",
        "{\"segments\":{\"0\":{\"offset\":\"99999999999999999999\",\"size\":\"dynamic\"}}}",
        "{\"segments\":{\"0\":{\"offset\":\"18446744073709551615\",\"size\":\"18446744073709551615\"}}}",
        "{\"segments\":{\"0\":{\"offset\":\"32768\",\"size\":\"18446744073709551615\"}}}",
        "{\"segments\":{\"0\":{\"offset\":\"32768\",\"size\":\"100000\"}}}",
        "{\"segments\":{\"0\":{\"offset\":\"100001\",\"size\":\"dynamic\"}}}",
        "{\"segments\":{\"0\":{\"offset\":\"32768\",\"size\":\"dynamic\"}}", "{\"a\":tr-ue?}", "{\"a\" 1}",
        "{\"a\":\"\\",
    ]) func metadataThatMakesNoSenseIsDamaged(metadata: String) throws {
        try scratch.write(version2(metadata), to: "image")
        let error = #expect(throws: StorageError.self) { try ImageFormat.luks2.describe(scratch.open("image")) }
        #expect(error?.code == .damagedImage)
    }

    @Test func aHeaderOfItsOwnIsSaidToBeOne() throws {
        try scratch.write(version2("{\"segments\":{\"0\":\(segment("0", "dynamic"))}}"), to: "image")
        let error = #expect(throws: StorageError.self) { try ImageFormat.luks2.describe(scratch.open("image")) }
        #expect(error?.code == .notSupported)
    }

    @Test func metadataOfGreatLengthOrDepthIsReadInTime() throws {
        let size = 4 << 20
        for text in [
            String(repeating: "{\"a\":", count: 500_000), String(repeating: "[", count: size - 4096),
            "{\"a\":[" + String(repeating: "1,", count: 1_500_000), "{\"" + String(repeating: "x", count: 3_000_000),
            "{\"segments\":{" + String(repeating: "\"0\":{},", count: 400_000),
        ] {
            try scratch.write(version2(text, headerSize: UInt64(size), fileSize: size), to: "image")
            let file = try scratch.open("image")
            let clock = ContinuousClock()
            let begin = clock.now
            #expect(throws: StorageError.self) { try ImageFormat.luks2.describe(file) }
            let duration = begin.duration(to: clock.now)
            print("LUKS2 metadata of \(text.utf8.count) bytes: \(duration)")
            #expect(duration < .seconds(10))
        }
    }

    @Test func damageIsSaidAndNeverTrappedOn() throws {
        let first = version1(payloadSectors: 2, fileSize: 4096)
        try scratch.readDamaged(first, bytes: 0..<120, lengths: stride(from: 0, to: 4096, by: 61), LUKSImage.self)
        let metadata = "{\"segments\":{\"0\":\(segment("32768", "dynamic"))}}"
        let second = version2(metadata, fileSize: 40_000)
        try scratch.readDamaged(
            second,
            bytes: Array(0..<16) + Array(4096..<4096 + metadata.utf8.count),
            lengths: stride(from: 0, to: 40_000, by: 501),
            LUKS2Image.self
        )
        for size in [0, 4096, 16383, 16385, 24576, 8 << 20, UInt64.max] as [UInt64] {
            #expect(try !scratch.readDamaged(version2(metadata, headerSize: size), LUKS2Image.self))
        }
        var third = first
        third[7] = 3
        try scratch.write(third, to: "image")
        #expect(try ImageFormat.probe(scratch.open("image")) == .raw)
    }
}
