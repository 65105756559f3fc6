import DiskImages
import StorageBase
import Testing

struct ISOTests {
    private let scratch = ImageScratch()

    /// A volume of a number of blocks of 2048 bytes, with the head of another format or none.
    private func build(blockCount: Int, head: [UInt8] = []) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: blockCount * 2048)
        bytes.store(head, at: 0)
        bytes.store([1] + Array("CD001".utf8) + [1], at: 32768)
        bytes.store(littleEndian: UInt32(blockCount), at: 32768 + 80)
        bytes.store(bigEndian: UInt32(blockCount), at: 32768 + 84)
        bytes.store(littleEndian: UInt16(2048), at: 32768 + 128)
        return bytes
    }

    @Test func aVolumeIsKnownByItsDescriptor() throws {
        let bytes = build(blockCount: 40)
        try scratch.write(bytes, to: "image")
        let file = try scratch.open("image")
        #expect(try ImageFormat.probe(file) == .iso)
        #expect(try ImageFormat.iso.describe(file).virtualSize.bytes == UInt64(bytes.count))
        #expect(try scratch.content("image") == bytes)
        #expect(try scratch.check("image").isClean)
    }

    @Test func aMissingEndIsFound() throws {
        try scratch.write(Array(build(blockCount: 40).dropLast(2048)), to: "image")
        let check = try scratch.check("image")
        #expect(check.corruptionCount == 1 && check.findings.first?.offset.bytes == 39 * 2048)
    }

    @Test func anotherSignatureAtItsHeadMakesItNoVolume() throws {
        try scratch.make(ImageCreation(format: .qcow2, name: "qcow2", virtualSize: 1 << 20))
        let head = Array(try scratch.bytes("qcow2").prefix(512))
        try scratch.write(build(blockCount: 200, head: head), to: "image")
        #expect(try ImageFormat.probe(scratch.open("image")) == .qcow2)
        var trailer = build(blockCount: 40)
        trailer.store(Array("koly".utf8) + [0, 0, 0, 4, 0, 0, 2, 0], at: trailer.count - 512)
        try scratch.write(trailer, to: "image")
        #expect(try ImageFormat.probe(scratch.open("image")) == .dmg)
        // A partition table is no image's signature: CD-ROMs that boot from a stick have one.
        try scratch.write(build(blockCount: 40, head: [UInt8](repeating: 0, count: 510) + [0x55, 0xAA]), to: "image")
        #expect(try ImageFormat.probe(scratch.open("image")) == .iso)
    }

    @Test func whatIsTooShortOrAnotherIsRaw() throws {
        let bytes = build(blockCount: 17)
        try scratch.write(bytes, to: "image")
        #expect(try ImageFormat.probe(scratch.open("image")) == .iso)
        for length in [0, 1, 511, 512, 32768, 32773, 34815] {
            try scratch.write(Array(bytes[..<length]), to: "image")
            #expect(try ImageFormat.probe(scratch.open("image")) == .raw)
        }
        var other = bytes
        other[32770] ^= 1
        try scratch.write(other, to: "image")
        #expect(try ImageFormat.probe(scratch.open("image")) == .raw)
        let error = #expect(throws: StorageError.self) { try ImageFormat.iso.describe(scratch.open("image")) }
        #expect(error?.code == .damagedImage)
        try scratch.readDamaged(
            bytes,
            bytes: 32768..<32900,
            lengths: stride(from: 0, to: bytes.count, by: 1001),
            ISOImage.self
        )
    }
}
