// swift-tools-version: 6.3
import PackageDescription

let package = Package(
    name: "storlib-benchmarks",
    dependencies: [.package(name: "storlib", path: "..")],
    targets: [
        .executableTarget(
            name: "storbench",
            dependencies: [.product(name: "StorageKit", package: "storlib")],
            swiftSettings: [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)]
        )
    ]
)
