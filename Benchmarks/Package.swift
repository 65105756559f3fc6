// swift-tools-version: 6.3
import PackageDescription

let package = Package(
    name: "storlib-benchmarks",
    dependencies: [.package(name: "storlib", path: "..")],
    targets: [
        .target(name: "CBenchmarks"),
        .executableTarget(
            name: "storbench",
            dependencies: ["CBenchmarks", .product(name: "StorageKit", package: "storlib")],
            swiftSettings: [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)]
        ),
    ]
)
