// swift-tools-version: 6.2
import PackageDescription

// A package outside the module's own, as the author of another module would write it.
let package = Package(
  name: "caller",
  dependencies: [
    .package(name: "gateway-module", path: "../../.."),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
  ],
  targets: [
    .executableTarget(
      name: "SwiftCaller",
      dependencies: [
        .product(name: "GatewayClient", package: "gateway-module"), .product(name: "Logging", package: "swift-log"),
      ])
  ]
)
