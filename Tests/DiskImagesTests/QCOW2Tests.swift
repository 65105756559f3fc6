import DiskImages
import StorageBase
import Testing

struct QCOW2Tests {
    private let scratch = ImageScratch()

    @Test(arguments: [0, 1, 511, (1 << 20) + 1, 10 << 30, 2 << 40] as [UInt64], ["0.10", "1.1"])
    func whatIsMadeQEMUHoldsForSound(size: UInt64, level: String) throws {
        for preallocation in ImageCreation.Preallocation.allCases {
            for clusterSize in [512, 4096, 65536, 2 << 20] as [UInt64] {
                if preallocation == .falloc || preallocation == .full, size > 1 << 21 { continue }
                if preallocation == .metadata, size / clusterSize > 1 << 17 { continue }
                if clusterSize == 512, size > 1 << 36 { continue }
                var creation = ImageCreation(
                    format: .qcow2,
                    name: "\(preallocation)-\(clusterSize)",
                    virtualSize: size
                )
                creation.preallocation = preallocation
                creation.compatibility = level
                creation.clusterSize = clusterSize
                try scratch.make(creation)
                try scratch.run("qemu-img", ["check", "-f", "qcow2", creation.name])
                let information = try scratch.information(creation.name)
                #expect(information["virtual-size"] as? UInt64 == (size + 511) / 512 * 512)
                #expect(information["cluster-size"] as? UInt64 == clusterSize)
                let description = try QCOW2Image.describe(scratch.open(creation.name))
                #expect(description.virtualSize.bytes == (size + 511) / 512 * 512)
                #expect(description.clusterSize?.bytes == clusterSize)
                #expect(description.compatibility == level)
            }
        }
    }
}
