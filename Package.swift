// swift-tools-version: 6.3
import PackageDescription

// One trait a backend that is built on a C library of its own; README says what a build with each of them links.
let traits: Set<Trait> = [
    .trait(name: "Disk", description: "Disk pools: partitions, by libparted (GPL-3.0-or-later)"),
    .trait(name: "Logical", description: "Logical pools: LVM, by liblvm2cmd and libdevmapper (LGPL-2.1)"),
    .trait(name: "ISCSI", description: "iSCSI pools, by libiscsi (LGPL-2.1-or-later)"),
    .default(enabledTraits: ["Disk", "Logical", "ISCSI"]),
]

let systemPackage: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

func cModule(_ name: String, pkgConfig: String?, package: String) -> Target {
    .systemLibrary(name: name, path: "CModules/\(name)", pkgConfig: pkgConfig, providers: [.apt([package])])
}

let package = Package(
    name: "storlib",
    products: [
        .library(name: "StorageKit", targets: ["StorageKit"]),
        .library(name: "StorageTesting", targets: ["StorageTesting"]),
        .executable(name: "storlib", targets: ["storlib"]),
    ],
    traits: traits,
    dependencies: [
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    ],
    targets: [
        cModule("CLinux", pkgConfig: nil, package: "libc6-dev"),
        cModule("CLibUUID", pkgConfig: "uuid", package: "uuid-dev"),
        cModule("CZlib", pkgConfig: "zlib", package: "zlib1g-dev"),
        cModule("CZstd", pkgConfig: "libzstd", package: "libzstd-dev"),
        cModule("CXML2", pkgConfig: "libxml-2.0", package: "libxml2-dev"),

        .target(name: "StorageBase", dependencies: ["CLinux", systemPackage]),
        .target(name: "NameBasedUUID", dependencies: ["CLibUUID", "StorageBase"]),
        .target(name: "DiskImages", dependencies: ["CZlib", "CZstd", "StorageBase"]),
        .target(name: "ImageTrials", dependencies: ["DiskImages", "StorageBase"], path: "Fuzz/ImageTrials"),
        .target(name: "XML", dependencies: ["CXML2", "StorageBase"]),
        .target(
            name: "StorageKit",
            dependencies: ["DiskImages", "NameBasedUUID", "StorageBase", "XML", systemPackage]
        ),
        .target(name: "StorageTesting", dependencies: ["StorageKit"]),
        .executableTarget(name: "storlib", dependencies: ["StorageKit", argumentParser]),

        .testTarget(name: "StorageBaseTests", dependencies: ["StorageBase", "NameBasedUUID", "XML"]),
        .testTarget(
            name: "DiskImagesTests",
            dependencies: ["DiskImages", "ImageTrials", "StorageBase"],
            exclude: ["Crashers"]
        ),
        .testTarget(
            name: "StorageKitTests",
            dependencies: ["StorageKit", "StorageTesting"],
            exclude: ["Documents"]
        ),
        .testTarget(name: "CommandLineTests", dependencies: ["storlib", "StorageKit"]),
    ]
)

// Only those who build the documentation need the plugin (make docs).
if Context.environment["STORLIB_DOCS"] != nil {
    package.dependencies.append(.package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.5.0"))
}

// libFuzzer has a main of its own, which only its sanitizer links (make fuzz).
if Context.environment["STORLIB_FUZZ"] != nil {
    package.targets.append(
        .executableTarget(
            name: "imagefuzz",
            dependencies: ["DiskImages", "ImageTrials", "StorageBase"],
            path: "Fuzz/imagefuzz"
        )
    )
}

for target in package.targets where target.type != .system {
    target.swiftSettings = [
        .swiftLanguageMode(.v6),
        .strictMemorySafety(),
        .treatAllWarnings(as: .error),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
        .enableUpcomingFeature("InferIsolatedConformances"),
    ]
}
