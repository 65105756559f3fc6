import Foundation
import StorageKit
import Testing

/// Image files as volumes of a directory pool: what a listing says of them, who is believed, and how they change.
struct ImageVolumeTests {
    private let scratch = Scratch()

    // MARK: Listing

    /// A format and options of `qemu-img create`, and the largest size that it makes.
    struct Variety: Sendable, CustomTestStringConvertible {
        let format: String
        let options: String
        let largest: UInt64

        init(_ format: String, _ options: String = "", largest: UInt64 = 1 << 42) {
            self.format = format
            self.options = options
            self.largest = largest
        }

        var testDescription: String { "\(format) \(options)" }
    }

    /// 16 TiB and more no file system here holds: formats whose file is as large as the disk end before.
    static let varieties = [
        Variety("raw"), Variety("qcow2", largest: 1 << 61), Variety("qcow2", "compat=0.10,cluster_size=512"),
        Variety("qcow2", "compat=1.1,cluster_size=2M,lazy_refcounts=on", largest: (1 << 63) - 512),
        Variety("qcow2", "extended_l2=on,cluster_size=128k,refcount_bits=1"),
        Variety("qcow2", "compression_type=zstd"), Variety("qcow"), Variety("vmdk"),
        Variety("vmdk", "subformat=monolithicSparse,zeroed_grain=on"), Variety("vmdk", "subformat=monolithicFlat"),
        Variety("vmdk", "subformat=twoGbMaxExtentSparse", largest: 1 << 35),
        Variety("vmdk", "subformat=twoGbMaxExtentFlat", largest: 1 << 35), Variety("vmdk", "subformat=streamOptimized"),
        Variety("vpc", largest: 0xFE00_0000 * 512), Variety("vpc", "subformat=dynamic,force_size=on"),
        Variety("vpc", "subformat=fixed"), Variety("vpc", "subformat=fixed,force_size=on"), Variety("vdi"),
        Variety("vdi", "static=on", largest: 1 << 34), Variety("vhdx", largest: 64 << 40),
        Variety("vhdx", "subformat=fixed", largest: 1 << 34), Variety("vhdx", "block_size=1M,log_size=2M"),
        Variety("qed", largest: 64 << 40), Variety("qed", "cluster_size=128k"), Variety("parallels"),
        Variety("luks", largest: 1 << 40),
    ]

    @Test(arguments: varieties) func whatQEMUMakesIsListedAsItSays(variety: Variety) throws {
        let pool = try scratch.runningPool()
        var sizes: [String: UInt64] = [:]
        for size in [0, 1, 511, (1 << 20) + 1, 10 << 30, 2 << 40, variety.largest] as [UInt64]
        where size <= variety.largest {
            let name = "image-\(size)"
            var arguments = ["create", "-f", variety.format]
            if variety.format == "luks" {
                arguments += ["--object", "secret,id=s,data=x", "-o", "key-secret=s,iter-time=10"]
            } else if !variety.options.isEmpty {
                arguments += ["-o", variety.options]
            }
            // What QEMU refuses to make is not compared; it measures the processor for luks, and may fail to.
            let tries = variety.format == "luks" ? 5 : 1
            guard
                try (0..<tries)
                    .contains(where: { _ in
                        try scratch.attempt("qemu-img", arguments + ["images/\(name)", "\(size)"]).status == 0
                    })
            else {
                try? FileManager.default.removeItem(atPath: "\(scratch.path)/images/\(name)")
                continue
            }
            sizes[name] = size
        }
        // vpc of 0 bytes cannot be made, nor vmdk; luks now and then not at all, and is tested with cryptsetup elsewhere.
        try #require(sizes.count >= 3 || variety.format == "luks")
        let volumes = try pool.volumes()
        for (name, size) in sizes {
            let volume = try #require(volumes.first { $0.name == name })
            #expect(try volume.withoutTimes == pool.volume(named: name).withoutTimes)
            // QEMU makes some images of less than a sector, and does not open them.
            guard size >= 512 || (try? scratch.attempt("qemu-img", ["info", "images/\(name)"]).status) == 0,
                let theirs = try? scratch.information("images/\(name)", variety.format)
            else {
                #expect(size < 512, "\(name)")
                continue
            }
            let context: Comment = "\(variety.testDescription) of \(size): \(volume.problem ?? "")"
            #expect(volume.problem == nil, context)
            #expect(volume.formatOrigin == .probed, context)
            #expect(volume.image?.format.rawValue == theirs.format, context)
            #expect(volume.definition.format?.rawValue == (theirs.format == "luks" ? "raw" : theirs.format), context)
            #expect(volume.definition.encryption?.format == (theirs.format == "luks" ? .luks : nil), context)
            // QEMU counts the sectors of a file.
            let capacity = theirs.format == "luks" ? (volume.capacity.bytes + 511) / 512 * 512 : volume.capacity.bytes
            #expect(capacity == theirs.virtualSize, context)
            #expect(volume.image?.isDirty == (theirs.dirtyFlag ?? false), context)
            #expect(volume.image?.isCorrupt == (theirs.specific?.data.corrupt ?? false), context)
            #expect(volume.image?.backing?.name == theirs.backingFile, context)
            if theirs.format == "vmdk" { #expect(volume.image?.subformat == theirs.specific?.data.createType, context) }
            guard theirs.format == "qcow2" else { continue }
            #expect(volume.image?.clusterSize?.bytes == theirs.clusterSize, context)
            #expect(volume.image?.compatibility == theirs.specific?.data.compat, context)
            #expect(volume.image?.compression ?? "zlib" == theirs.specific?.data.compression, context)
            let features = volume.definition.features ?? []
            #expect(features.contains(.lazyRefcounts) == (theirs.specific?.data.lazyRefcounts ?? false), context)
            #expect(features.contains(.extendedL2) == (theirs.specific?.data.extendedL2 ?? false), context)
            #expect((volume.definition.features == nil) == (theirs.specific?.data.compat == "0.10"), context)
        }
    }

    @Test func whatIsMadeHereIsDeclared() throws {
        let pool = try scratch.runningPool()
        for format in ImageFormat.creatable {
            for size in [1, 511, (1 << 20) + 1, 10 << 30] as [UInt64] {
                let name = "\(format)-\(size)"
                let made = try pool.createVolume(VolumeDefinition(name, size, VolumeFormat(rawValue: format.rawValue)))
                #expect(made.formatOrigin == .declared && made.problem == nil, "\(name)")
                #expect(made.image?.format == format && made.capacity.bytes >= size, "\(name)")
                #expect(made.capacity.bytes < size + 8 << 20, "\(name)")
                #expect(try pool.volume(named: name).withoutTimes == made.withoutTimes)
                // QEMU writes neither, and counts a raw file's sectors.
                guard ![.cow, .bochs, .raw].contains(format) else { continue }
                #expect(
                    try scratch.information("images/\(name)", format.rawValue).virtualSize == made.capacity.bytes,
                    "\(name)"
                )
            }
        }
        #expect(try pool.volumes().allSatisfy { $0.formatOrigin == .declared && $0.problem == nil })
        // It is with the file: another pool of the same directory knows it too.
        try pool.stop()
        try pool.start()
        let again = try scratch.manager().pool(named: "images").volumes()
        #expect(again.count == 4 * ImageFormat.creatable.count && again.allSatisfy { $0.formatOrigin == .declared })
    }

    @Test func dirtyAndCorruptMarks() throws {
        let pool = try scratch.runningPool()
        for (name, format, offset, byte) in [
            ("dirty", "qcow2", 79, 1), ("corrupt", "qcow2", 79, 2), ("qed", "qed", 16, 2),
        ] as [(String, String, UInt64, UInt8)] {
            try scratch.qemuImage("create -f \(format) images/\(name) 1M")
            try OpenFile("\(scratch.path)/images/\(name)", .readWrite).write([byte], 0..<1, at: offset)
        }
        let volumes = try pool.volumes()
        for (name, format) in [("dirty", "qcow2"), ("corrupt", "qcow2"), ("qed", "qed")] {
            let volume = try #require(volumes.first { $0.name == name })
            let theirs = try scratch.information("images/\(name)", format)
            // QEMU forgets the mark of a qed image as it opens it.
            if format == "qcow2" { #expect(volume.image?.isDirty == (theirs.dirtyFlag ?? false), "\(name)") }
            #expect(volume.image?.isCorrupt == (theirs.specific?.data.corrupt ?? false), "\(name)")
            #expect((volume.problem != nil) == (name == "corrupt"), "\(name): \(volume.problem ?? "")")
        }
        #expect(volumes.map { $0.image?.isDirty } == [false, true, true])
    }

    /// As `virsh vol-dumpxml` of libvirt 9.0 prints it, but for times and UUID.
    @Test func theDocumentOfAQCOW2Volume() throws {
        let pool = try scratch.runningPool()
        try pool.createVolume(VolumeDefinition("base", 1 << 20))
        var definition = VolumeDefinition("top", 2 << 20, .qcow2)
        definition.backingFile = BackingFile(path: "\(scratch.path)/images/base", format: .raw)
        definition.features = [.lazyRefcounts]
        definition.clusterSize = ByteCount(4096)
        try pool.createVolume(definition)
        func document(_ name: String) throws -> String {
            try pool.volume(named: name).xml()
                .replacing(#/ *<(uuid|timestamps)>(?s:.*?)</\1>\n/#, with: "")
                .replacing(scratch.path, with: "@")
        }
        let status = try OpenFile("\(scratch.path)/images/top", .readOnly).status()
        #expect(
            try document("top") == """
                <volume type='file'>
                  <name>top</name>
                  <key>@/images/top</key>
                  <capacity unit='bytes'>2097152</capacity>
                  <allocation unit='bytes'>\(status.allocated.bytes)</allocation>
                  <physical unit='bytes'>\(status.size.bytes)</physical>
                  <target>
                    <path>@/images/top</path>
                    <format type='qcow2'/>
                    <permissions>
                      <mode>0600</mode>
                      <owner>\(geteuid())</owner>
                      <group>\(getegid())</group>
                    </permissions>
                    <compat>1.1</compat>
                    <clusterSize unit='B'>4096</clusterSize>
                    <features>
                      <lazy_refcounts/>
                    </features>
                  </target>
                  <backingStore>
                    <path>@/images/base</path>
                    <format type='raw'/>
                  </backingStore>
                </volume>

                """
        )
        // A relative name is printed as the path that it is.
        definition.name = "relative"
        definition.backingFile = BackingFile(path: "base")
        try pool.createVolume(definition)
        #expect(
            try document("relative")
                .contains("<backingStore>\n    <path>@/images/base</path>\n    <format type='raw'/>")
        )
        definition = VolumeDefinition("old", 1 << 20, .qcow2)
        definition.compatibility = "0.10"
        try pool.createVolume(definition)
        #expect(try document("old").contains("<compat>0.10</compat>") && !document("old").contains("features"))
        try pool.createVolume(VolumeDefinition("new", 1 << 20, .qcow2))
        #expect(
            try document("new")
                .contains("<compat>1.1</compat>\n    <clusterSize unit='B'>65536</clusterSize>\n    <features/>")
        )
        let again = try VolumeDefinition(xml: pool.volume(named: "top").xml())
        #expect(
            again.features == [.lazyRefcounts] && again.clusterSize == ByteCount(4096)
                && again.capacity == .mebibytes(2)
        )
    }

    // MARK: Who is believed

    /// Files that begin, or end, as images with a backing file outside of the pool.
    private func headers() throws -> [(format: String, bytes: [UInt8])] {
        try scratch.makeDisk("secret", size: 1 << 20, seed: 5)
        try scratch.qemuImage("create -f vmdk secret.vmdk 1M")
        try scratch.run(
            "qemu-img",
            ["create", "-f", "qcow2", "-b", "\(scratch.path)/secret", "-F", "raw", "header-qcow2"]
        )
        try scratch.run(
            "qemu-img",
            ["create", "-f", "qcow", "-b", "\(scratch.path)/secret", "-F", "raw", "header-qcow"]
        )
        try scratch.run(
            "qemu-img",
            ["create", "-f", "vmdk", "-b", "\(scratch.path)/secret.vmdk", "-F", "vmdk", "header-vmdk"]
        )
        try scratch.qemuImage("create -f vpc header-vpc 100M")
        try scratch.qemuImage("create -f vpc -o subformat=fixed,force_size=on header-fixed 1M")
        let flat = """
            # Disk DescriptorFile
            version=1
            CID=12345678
            parentCID=ffffffff
            createType="monolithicFlat"
            RW 2048 FLAT "\(scratch.path)/secret" 0

            """
        try scratch.write(flat, to: "header-flat")
        return try ["qcow2", "qcow", "vmdk", "vpc", "fixed", "flat"].map { ($0, try scratch.bytes("header-\($0)")) }
    }

    @Test func aVolumeThatWasMadeRawStaysRaw() throws {
        var pool = try scratch.runningPool()
        for (format, header) in try headers() {
            let size = max(header.count, 2 << 20)
            // A fixed VHD has its mark at the end.
            let place = format == "fixed" ? size - header.count : 0
            for way in ["upload", "guest"] {
                let name = "\(format)-\(way)"
                try pool.createVolume(VolumeDefinition(name, UInt64(size)))
                if way == "upload" {
                    try pool.uploadVolume(
                        named: name,
                        from: Chunks(header).source,
                        TransferOptions(offset: ByteCount(UInt64(place)))
                    )
                } else {
                    try OpenFile("\(scratch.path)/images/\(name)", .readWrite)
                        .write(header, 0..<header.count, at: UInt64(place))
                }
                func check(_ pool: StoragePool) throws {
                    let volume = try pool.volume(named: name)
                    #expect(volume.definition.format == .raw && volume.image?.format == .raw, "\(name)")
                    #expect(volume.formatOrigin == .declared && volume.problem == nil, "\(name)")
                    #expect(volume.capacity.bytes == UInt64(size) && volume.definition.backingFile == nil, "\(name)")
                    for target in [VolumeFormat.raw, .qcow2] {
                        try pool.cloneVolume(
                            VolumeReference(pool: "images", name: name),
                            as: VolumeDefinition("copy", nil, target)
                        )
                        try scratch.run(
                            "qemu-img",
                            ["convert", "-f", target.rawValue, "-O", "raw", "images/copy", "content"]
                        )
                        #expect(try scratch.bytes("content") == scratch.bytes("images/\(name)"), "\(name)")
                        try pool.deleteVolume(named: "copy")
                    }
                    let map = try pool.mapVolume(named: name)
                    #expect(
                        map.layers.count == 1 && map.entries.allSatisfy { $0.file == nil || $0.file == volume.path }
                    )
                    #expect(try pool.checkVolume(named: name).isClean)
                    try pool.resizeVolume(named: name, to: VolumeSize(ByteCount(UInt64(size) + 512)))
                    #expect(try pool.volume(named: name).physicalSize.bytes == UInt64(size) + 512)
                    try pool.resizeVolume(named: name, to: VolumeSize(ByteCount(UInt64(size)), allowsShrinking: true))
                }
                try check(pool)
                try pool.stop()
                try pool.start()
                try check(pool)
                pool = try scratch.manager().pool(named: "images")
                try check(pool)
            }
        }
    }

    @Test func aBackingFileThatIsRawStaysRaw() throws {
        let pool = try scratch.runningPool()
        let header = try scratch.bytesOfHeader()
        // Made here; made elsewhere, and said to be raw where the overlay was made; made elsewhere, and declared.
        try pool.createVolume(VolumeDefinition("made", 1 << 20))
        for name in ["named", "declared"] { try scratch.makeDisk("images/\(name)", size: 1 << 20, seed: 6) }
        try pool.declareVolume(named: "declared", format: .raw)
        for name in ["made", "named", "declared"] {
            var definition = VolumeDefinition("on-\(name)", nil, .qcow2)
            definition.backingFile = BackingFile(path: name, format: name == "named" ? .raw : nil)
            let made = try pool.createVolume(definition)
            #expect(made.capacity == .mebibytes(1) && made.image?.backing?.format == .raw)
            try OpenFile("\(scratch.path)/images/\(name)", .readWrite).write(header, 0..<header.count, at: 0)
        }
        for name in ["made", "named", "declared"] {
            #expect(try pool.volume(named: "on-\(name)").problem == nil)
            try pool.cloneVolume(VolumeReference(pool: "images", name: "on-\(name)"), as: VolumeDefinition("copy", nil))
            #expect(try scratch.bytes("images/copy") == scratch.bytes("images/\(name)"), "\(name)")
            try pool.deleteVolume(named: "copy")
        }
        // Where nobody knows the format of a backing file it is guessed, and nothing below it is believed.
        try scratch.run(
            "qemu-img",
            ["create", "-f", "qcow2", "-u", "-b", "guessed", "-F", "raw", "images/on-guessed", "1M"]
        )
        // QEMU no longer makes images that do not say it: the extension that does becomes the end of all.
        let bytes = try scratch.bytes("images/on-guessed")
        let mark = try #require((0..<1024).first { bytes[$0..<$0 + 4].elementsEqual([0xE2, 0x79, 0x2A, 0xCA]) })
        try OpenFile("\(scratch.path)/images/on-guessed", .readWrite).write([0, 0, 0, 0], 0..<4, at: UInt64(mark))
        try scratch.write(header, to: "images/guessed")
        let error = scratch.refusal {
            try pool.cloneVolume(VolumeReference(pool: "images", name: "on-guessed"), as: VolumeDefinition("copy", nil))
        }
        #expect(error?.message.contains("its own format is guessed") == true, "\(error?.description ?? "")")
        #expect(try scratch.names(in: "images").contains("copy") == false)
    }

    @Test func anImageThatIsNoLongerOneSaysSo() throws {
        let pool = try scratch.runningPool()
        for format in ["qcow2", "vdi", "vmdk"] {
            try pool.createVolume(VolumeDefinition(format, 1 << 20, VolumeFormat(rawValue: format)))
            try scratch.write([UInt8](repeating: 0x55, count: 1 << 16), to: "images/\(format)")
            let volume = try pool.volume(named: format)
            #expect(volume.problem?.contains("it was made as \(format), and is none") == true)
            #expect(volume.definition.format?.rawValue == format && volume.formatOrigin == .declared)
            let error = scratch.refusal {
                try pool.cloneVolume(VolumeReference(pool: "images", name: format), as: VolumeDefinition("copy", nil))
            }
            #expect(error?.code == .damagedImage)
            // It can be declared what it is.
            try pool.declareVolume(named: format, format: .raw)
            #expect(try pool.volume(named: format).problem == nil)
            #expect(try pool.volume(named: format).capacity.bytes == 1 << 16)
        }
    }

    @Test func declarations() throws {
        let pool = try scratch.runningPool()
        try scratch.makeDisk("images/disk", size: 1 << 20, seed: 1)
        try scratch.qemuImage("create -f qcow2 images/image 1M")
        for (name, format, code) in [
            ("disk", "qcow2", StorageError.Code.damagedImage), ("image", "vmdk", .damagedImage),
            ("image", "dir", .invalidArgument), ("image", "nonsense", .invalidArgument),
            ("absent", "raw", .volumeNotFound),
        ] {
            let error = scratch.refusal("\(name) \(format)") {
                try pool.declareVolume(named: name, format: VolumeFormat(rawValue: format))
            }
            #expect(error?.code == code, "\(name) \(format): \(error?.description ?? "")")
        }
        try FileManager.default.createDirectory(
            atPath: "\(scratch.path)/images/folder",
            withIntermediateDirectories: false
        )
        #expect(scratch.refusal { try pool.declareVolume(named: "folder", format: .raw) }?.code == .notSupported)
        #expect(try pool.volumes().map(\.formatOrigin) == [.probed, nil, .probed])
        try pool.declareVolume(named: "image", format: .qcow2)
        try pool.declareVolume(named: "disk", format: .raw)
        #expect(try pool.volumes().map(\.formatOrigin) == [.declared, nil, .declared])
        #expect(try pool.volume(named: "image").definition.format == .qcow2)
        try pool.declareVolume(named: "image", format: .raw)
        let volume = try pool.volume(named: "image")
        #expect(volume.capacity == volume.physicalSize && volume.definition.format == .raw)
        // A wiped image is raw.
        try pool.createVolume(VolumeDefinition("wiped", 1 << 20, .qcow2))
        try pool.wipeVolume(named: "wiped", isForced: true)
        #expect(try pool.volume(named: "wiped").definition.format == .raw)
        #expect(try pool.volume(named: "wiped").problem == nil)
    }

    // MARK: Resize

    static let resizable: [(String, String)] = [
        ("raw", ""), ("qcow2", ""), ("qcow2", "cluster_size=512"), ("qcow2", "extended_l2=on,cluster_size=64k"),
        ("vdi", ""),
        ("vmdk", ""), ("vmdk", "subformat=monolithicFlat"), ("vpc", "force_size=on"),
        ("vpc", "subformat=fixed,force_size=on"),
        ("vhdx", ""), ("vhdx", "subformat=fixed"),
    ]

    @Test(arguments: resizable) func growing(format: String, options: String) throws {
        let pool = try scratch.runningPool()
        try scratch.makeDisk("disk", size: 3 << 20, seed: 7)
        let option = options.isEmpty ? "" : "-o \(options)"
        try scratch.qemuImage("convert -f raw -O \(format) \(option) disk images/theirs.img")
        var definition = VolumeDefinition("ours.img", nil, VolumeFormat(rawValue: format))
        definition.subformat = options.split(separator: ",").first { $0.hasPrefix("subformat=") }
            .map { String($0.dropFirst(10)) }
        try pool.cloneVolume(VolumeReference(pool: "images", name: "theirs.img"), as: definition)
        for name in ["theirs.img", "ours.img"] {
            for size in [4 << 20, 3 << 30] as [UInt64] where !options.contains("fixed") || size < 1 << 30 {
                let old = try pool.volume(named: name).capacity
                try pool.resizeVolume(named: name, to: VolumeSize(ByteCount(size)))
                #expect(try pool.volume(named: name).capacity.bytes == size, "\(name)")
                #expect(try pool.volume(named: name).problem == nil)
                #expect(try scratch.information("images/\(name)", format).virtualSize == size, "\(name)")
                // Below the old size and above it: what was there is there, the rest is zeros.
                try scratch.qemuImage("compare -f raw -F \(format) disk images/\(name)")
                if format != "raw" { #expect(try pool.checkVolume(named: name).isClean, "\(name) from \(old)") }
                if format == "qcow2" { try scratch.qemuImage("check -f qcow2 images/\(name)") }
            }
            try pool.resizeVolume(named: name, to: VolumeSize(.zero, reference: .added))
            let error = scratch.refusal { try pool.resizeVolume(named: name, to: VolumeSize(.mebibytes(1))) }
            #expect(error?.code == .invalidArgument && error?.message.contains("would cut off its end") == true)
        }
    }

    @Test func shrinkingAndRefusals() throws {
        let pool = try scratch.runningPool()
        try pool.createVolume(VolumeDefinition("image", 10 << 20, .qcow2))
        try pool.resizeVolume(named: "image", to: VolumeSize(.mebibytes(4), reference: .removed, allowsShrinking: true))
        #expect(try pool.volume(named: "image").capacity == .mebibytes(6))
        try scratch.run("qemu-io", ["-f", "qcow2", "-c", "write -P 7 5M 64k", "images/image"])
        let used = scratch.refusal {
            try pool.resizeVolume(named: "image", to: VolumeSize(.mebibytes(1), allowsShrinking: true))
        }
        #expect(
            used?.message.contains("it holds data at guest offset 5242880, behind the new end") == true,
            "\(used?.description ?? "")"
        )
        #expect(try pool.volume(named: "image").capacity == .mebibytes(6))
        let allocating = scratch.refusal {
            try pool.resizeVolume(named: "image", to: VolumeSize(.mebibytes(7), allocates: true))
        }
        #expect(allocating?.code == .notSupported)
        try scratch.qemuImage("snapshot -c one images/image")
        let snapshots = scratch.refusal { try pool.resizeVolume(named: "image", to: VolumeSize(.mebibytes(7))) }
        #expect(snapshots?.message.contains("it has 1 internal snapshots") == true)
        for (format, options) in [
            ("qcow", ""), ("qed", ""), ("vmdk", "-o subformat=streamOptimized"),
            ("vmdk", "-o subformat=twoGbMaxExtentFlat"),
            ("parallels", ""),
        ] {
            try scratch.qemuImage("create -f \(format) \(options) images/fixed 10M")
            let error = scratch.refusal("\(format) \(options)") {
                try pool.resizeVolume(named: "fixed", to: VolumeSize(.mebibytes(20)))
            }
            #expect(error?.code == .notSupported, "\(error?.description ?? "")")
            try scratch.qemuImage("compare -f \(format) -F \(format) images/fixed images/fixed")
            try FileManager.default.removeItem(atPath: "\(scratch.path)/images/fixed")
        }
        let huge = scratch.refusal { try pool.resizeVolume(named: "image", to: VolumeSize(ByteCount(.max))) }
        #expect(huge?.code == .invalidArgument)
    }

    @Test(arguments: ["qcow2", "vmdk"]) func aLargerBackingFileDoesNotShowThrough(format: String) throws {
        let pool = try scratch.runningPool()
        try scratch.qemuImage("create -f \(format) images/base 8M")
        try scratch.qemuImage(
            "create -f \(format) -b base -F \(format) images/small \(format == "qcow2" ? "4M" : "8M")"
        )
        if format == "vmdk" { try scratch.qemuImage("resize -f vmdk images/base 12M", expecting: [0, 1]) }
        if format == "qcow2" {
            let error = scratch.refusal { try pool.resizeVolume(named: "small", to: VolumeSize(.mebibytes(6))) }
            #expect(error?.message.contains("its backing file of 8.00 MiB is larger, and would show through") == true)
            #expect(try pool.volume(named: "small").capacity == .mebibytes(4))
        }
        try scratch.qemuImage("create -f \(format) -b base -F \(format) images/same 8M")
        try pool.resizeVolume(named: "same", to: VolumeSize(.mebibytes(16)))
        #expect(try scratch.information("images/same", format).virtualSize == 16 << 20)
    }

    // MARK: Check and map

    @Test func checkAndRepair() throws {
        let pool = try scratch.runningPool()
        try scratch.makeDisk("disk", size: 2 << 20, seed: 8)
        try scratch.qemuImage("convert -f raw -O qcow2 -o cluster_size=4k disk images/image")
        #expect(try pool.checkVolume(named: "image").isClean)
        // Clusters behind the end that are counted and not referred to.
        let leaks = try scratch.addLeaks(to: "images/image", count: 3, clusterSize: 4096)
        let before = try scratch.bytes("images/image")
        let found = try pool.checkVolume(named: "image")
        #expect(found.leakCount == leaks && found.corruptionCount == 0)
        #expect(try scratch.bytes("images/image") == before)
        try scratch.qemuImage("check -f qcow2 images/image", expecting: [3])
        let repaired = try pool.checkVolume(named: "image", repairingLeaks: true)
        #expect(repaired.isClean && repaired.repairedCount == leaks)
        try scratch.qemuImage("check -f qcow2 images/image")
        try scratch.qemuImage("compare -f raw -F qcow2 disk images/image")
        #expect(try pool.checkVolume(named: "image", repairingLeaks: true).repairedCount == 0)
        // Where more is wrong nothing is repaired.
        _ = try scratch.addLeaks(to: "images/image", count: 1, clusterSize: 4096)
        let table = try scratch.bytes("images/image")[40..<48].reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
        try OpenFile("\(scratch.path)/images/image", .readWrite).write([0x40, 0, 0, 0xFF], 0..<4, at: table + 4)
        let damaged = try scratch.bytes("images/image")
        #expect(try pool.checkVolume(named: "image").corruptionCount > 0)
        let error = scratch.refusal { _ = try pool.checkVolume(named: "image", repairingLeaks: true) }
        #expect(error?.code == .damagedImage)
        #expect(try scratch.bytes("images/image") == damaged)
    }

    @Test func theMapIsThatOfQEMU() throws {
        let pool = try scratch.runningPool()
        try scratch.makeDisk("images/base", size: 3 << 20, seed: 9)
        try scratch.qemuImage("create -f qcow2 -b base -F raw images/middle 4M")
        try scratch.qemuImage("create -f qcow2 -b middle -F qcow2 images/top 5M")
        try scratch.run(
            "qemu-io",
            ["-f", "qcow2", "-c", "write -P 3 1M 128k", "-c", "write -z 2M 256k", "images/middle"]
        )
        try scratch.run(
            "qemu-io",
            ["-f", "qcow2", "-c", "write -P 4 4M 300k", "-c", "write -z 512k 64k", "images/top"]
        )
        struct Entry: Decodable {
            let start, length: UInt64
            let depth: Int
            let data, zero: Bool
            let offset: UInt64?
        }
        let text = try scratch.run("qemu-img", ["map", "--output=json", "images/top"])
        let map = try pool.mapVolume(named: "top")
        #expect(map.layers == ["top", "middle", "base"].map { "\(scratch.path)/images/\($0)" })
        var end: UInt64 = 0
        for entry in map.entries {
            #expect(entry.start.bytes == end)
            end += entry.length.bytes
        }
        #expect(end == 5 << 20)
        for theirs in try JSONDecoder().decode([Entry].self, from: Data(text.utf8)) {
            let ours = try #require(map.entries.last { $0.start.bytes <= theirs.start })
            let isEnd = ours.start.bytes + ours.length.bytes >= theirs.start + theirs.length
            if theirs.data {
                #expect(ours.kind == .data && ours.layer == theirs.depth && isEnd, "\(theirs)")
                #expect(ours.offset.map { $0.bytes + theirs.start - ours.start.bytes } == theirs.offset)
            } else {
                #expect(ours.kind == .zero || ours.kind == .hole, "\(theirs)")
            }
        }
    }

    // MARK: Deletion

    @Test func theDataOfAFlatImageGoesWithIt() throws {
        let pool = try scratch.runningPool()
        let manager = scratch.manager()
        var definition = VolumeDefinition("disk.vmdk", 1 << 20, .vmdk)
        definition.subformat = "monolithicFlat"
        try pool.createVolume(definition)
        #expect(try scratch.names(in: "images") == ["disk-flat.vmdk", "disk.vmdk"])
        let wipe = scratch.refusal { try pool.wipeVolume(named: "disk.vmdk", isForced: true) }
        #expect(wipe?.message.contains("has its data in 'disk-flat.vmdk'") == true)
        let plan = try manager.plan(.deleteVolume(pool: "images", name: "disk.vmdk"))
        #expect(
            plan.description.replacing(scratch.path, with: "@") == """
                remove file @/images/disk.vmdk: 1.00 MiB, with its data
                remove file @/images/disk-flat.vmdk: 1.00 MiB, the data of 'disk.vmdk'
                """
        )
        // Somebody uses the data.
        let user = try OpenFile("\(scratch.path)/images/disk-flat.vmdk", .readOnly)
        #expect(try user.tryLock(exclusive: false))
        #expect(scratch.refusal { try pool.deleteVolume(named: "disk.vmdk") }?.code == .busy)
        #expect(try scratch.names(in: "images").count == 2)
        withExtendedLifetime(user) {}
        try drop(user)
        _ = try manager.apply(plan)
        #expect(try scratch.names(in: "images") == [])
        // Of a copy too.
        try scratch.makeDisk("images/raw", size: 1 << 20, seed: 3)
        try pool.cloneVolume(VolumeReference(pool: "images", name: "raw"), as: definition)
        try pool.deleteVolume(named: "disk.vmdk")
        #expect(try scratch.names(in: "images") == ["raw"])
        // What was not made with it stays: made elsewhere, or named by what was put into the descriptor later.
        try scratch.qemuImage("create -f vmdk -o subformat=monolithicFlat images/theirs.vmdk 1M")
        try pool.deleteVolume(named: "theirs.vmdk")
        #expect(try scratch.names(in: "images") == ["raw", "theirs-flat.vmdk"])
        try pool.createVolume(definition)
        let text = try String(contentsOfFile: "\(scratch.path)/images/disk.vmdk", encoding: .utf8)
        try scratch.write(text.replacing("disk-flat.vmdk", with: "raw"), to: "images/disk.vmdk")
        try pool.deleteVolume(named: "disk.vmdk")
        #expect(try scratch.names(in: "images").contains("raw"))
        // A name that is taken is not taken away.
        try scratch.write("mine", to: "images/other-flat.vmdk")
        definition.name = "other.vmdk"
        #expect(scratch.refusal { try pool.createVolume(definition) }?.code == .volumeExists)
        #expect(try scratch.bytes("images/other-flat.vmdk") == Array("mine".utf8))
        #expect(try !scratch.names(in: "images").contains("other.vmdk"))
    }

    private func drop(_ file: consuming OpenFile) throws {}
}

extension Volume {
    /// The volume without what a look at it changes.
    fileprivate var withoutTimes: Volume {
        var volume = self
        volume.timestamps = nil
        return volume
    }
}

extension Scratch {
    /// The header of a qcow2 image whose backing file is outside of the pool.
    func bytesOfHeader() throws -> [UInt8] {
        try makeDisk("secret", size: 1 << 20, seed: 5)
        try run("qemu-img", ["create", "-f", "qcow2", "-b", "\(path)/secret", "-F", "raw", "header"])
        return try bytes("header")
    }

    /// Counts clusters at the end of a qcow2 image, with 16 bits a count, that nothing refers to.
    func addLeaks(to name: String, count: Int, clusterSize: UInt64) throws -> Int {
        let file = try OpenFile("\(path)/\(name)", .readWrite)
        let size = try file.status().size.bytes
        let first = (size + clusterSize - 1) / clusterSize
        func number(at offset: UInt64) throws -> UInt64 {
            try file.read(count: 8, at: offset).reduce(0) { $0 << 8 | UInt64($1) }
        }
        let block = try number(at: number(at: 48))
        for index in 0..<UInt64(count) { try file.write([0, 1], 0..<2, at: block + (first + index) * 2) }
        try file.setSize(ByteCount((first + UInt64(count)) * clusterSize))
        return count
    }
}
