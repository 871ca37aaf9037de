// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .treatAllWarnings(as: .error),
]

/// What the programs say that they are; `make install` sets it.
let version = Context.environment["BUILD_VERSION"].flatMap { $0.isEmpty ? nil : $0 }

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let nioHTTP = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")

let package = Package(
  name: "gateway-module",
  products: [
    .library(name: "RPC", targets: ["RPC"]),
    .library(name: "GatewayClient", targets: ["GatewayClient"]),
    .library(name: "ProxyConfig", targets: ["ProxyConfig"]),
    .library(name: "ACMEHook", targets: ["ACMEHook"]),
    .executable(name: "gateway", targets: ["gateway"]),
    .executable(name: "gatewayctl", targets: ["gatewayctl"]),
    .executable(name: "acme-hook", targets: ["acme-hook"]),
    .executable(name: "gateway-relay", targets: ["gateway-relay"]),
    .executable(name: "gateway-tunnel", targets: ["gateway-tunnel"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.36.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
  ],
  targets: [
    // Not by pkg-config: SwiftPM would have the linker look in the system's folder before all others, so that `make install`
    // could not link them statically; and it warns of the flags in Debian's hiredis.pc at every build.
    .systemLibrary(name: "CHiredis", providers: [.apt(["libhiredis-dev"])]),
    .systemLibrary(name: "CLibYAML", providers: [.apt(["libyaml-dev"])]),
    .systemLibrary(name: "CAres", providers: [.apt(["libc-ares-dev"])]),
    .systemLibrary(name: "COpenSSL", providers: [.apt(["libssl-dev"])]),
    .target(name: "CLinux", cSettings: version.map { [.define("BUILD_VERSION", to: "\"\($0)\"")] } ?? []),
    .target(name: "CResolver", linkerSettings: [.linkedLibrary("resolv")]),
    .target(
      name: "CKnot",
      linkerSettings: [.linkedLibrary("knot"), .linkedLibrary("zscanner"), .linkedLibrary("m")]),

    .target(name: "System", dependencies: ["CLinux"], swiftSettings: settings),
    .target(
      name: "RPC", dependencies: ["CHiredis", "System", logging, lifecycle, nioCore, nioPosix], swiftSettings: settings),
    .target(name: "GatewayClient", dependencies: ["RPC"], swiftSettings: settings),
    .target(name: "Records", dependencies: ["CLibYAML", "System", logging], swiftSettings: settings),
    .target(name: "ProxyConfig", dependencies: ["Records", "System"], swiftSettings: settings),
    .target(
      name: "DNSZones", dependencies: ["CAres", "CKnot", "CResolver", "Records", "System", logging],
      swiftSettings: settings),
    .target(
      name: "Relay",
      dependencies: ["CLinux", "COpenSSL", "Records", "System", logging, lifecycle, nioCore, nioPosix, nioHTTP],
      swiftSettings: settings),
    .target(name: "ProgramLog", dependencies: ["System", logging], swiftSettings: settings),
    .target(
      name: "Arguments", dependencies: ["ProgramLog", "System", argumentParser, logging], swiftSettings: settings),
    .target(name: "ACMEHook", dependencies: ["DNSZones", "ProxyConfig", "Records", "System"], swiftSettings: settings),
    .target(
      name: "GatewayModule",
      dependencies: [
        "CLinux", "COpenSSL", "DNSZones", "GatewayClient", "ProxyConfig", "RPC", "Records", "Relay", "System", logging,
        lifecycle,
        nioCore, nioPosix, nioHTTP,
      ],
      swiftSettings: settings),
    .target(
      name: "GatewayControl",
      dependencies: [
        "CLinux", "COpenSSL", "DNSZones", "GatewayClient", "GatewayModule", "ProxyConfig", "RPC",
        "Records", "System",
        nioCore, nioPosix,
      ],
      swiftSettings: settings),

    .executableTarget(
      name: "gateway",
      dependencies: [
        "ACMEHook", "Arguments", "DNSZones", "GatewayClient", "GatewayModule", "ProxyConfig", "RPC", "Records",
        "System",
        argumentParser, logging,
        lifecycle,
      ],
      swiftSettings: settings),
    .executableTarget(
      name: "gatewayctl",
      dependencies: [
        "Arguments", "GatewayClient", "GatewayControl", "GatewayModule", "ProxyConfig", "RPC", "System",
        argumentParser,
        logging, unixSignals,
      ],
      swiftSettings: settings),
    .executableTarget(
      name: "acme-hook", dependencies: ["ACMEHook", "Arguments", "Records", "System", argumentParser],
      swiftSettings: settings),
    .executableTarget(
      name: "gateway-relay",
      dependencies: ["Arguments", "Records", "Relay", "System", argumentParser, logging, lifecycle],
      swiftSettings: settings),
    .executableTarget(
      name: "gateway-tunnel",
      dependencies: ["Arguments", "Relay", "System", argumentParser, logging, lifecycle, nioCore, nioSSL],
      swiftSettings: settings),
    .executableTarget(
      name: "Calculator", dependencies: ["RPC", argumentParser, logging, lifecycle], path: "Examples/Calculator",
      swiftSettings: settings),

    .target(name: "TestSupport", dependencies: ["RPC", logging], path: "Tests/TestSupport", swiftSettings: settings),
    .testTarget(
      name: "RPCTests", dependencies: ["CLinux", "RPC", "TestSupport", logging, lifecycle, nioCore, nioPosix],
      exclude: ["zbus.tsv"], swiftSettings: settings),
    .testTarget(name: "SystemTests", dependencies: ["System", "TestSupport"], swiftSettings: settings),
    .testTarget(name: "RecordsTests", dependencies: ["Records", "System", "TestSupport"], swiftSettings: settings),
    .testTarget(
      name: "RelayTests", dependencies: ["Relay", "System", "TestSupport", nioCore], swiftSettings: settings),
    .testTarget(
      name: "DNSZonesTests", dependencies: ["DNSZones", "Records", "System", "TestSupport"], swiftSettings: settings),
    .testTarget(
      name: "ProgramLogTests", dependencies: ["ProgramLog", "RPC", "System", "TestSupport", logging],
      swiftSettings: settings),
    .testTarget(name: "ArgumentsTests", dependencies: ["Arguments"], swiftSettings: settings),
    .testTarget(
      name: "ProxyConfigTests", dependencies: ["ProxyConfig", "Records", "System", "TestSupport"],
      swiftSettings: settings),
    .testTarget(
      name: "ACMEHookTests", dependencies: ["ACMEHook", "Records", "System", "TestSupport", "acme-hook"],
      swiftSettings: settings),
    .testTarget(
      name: "GatewayModuleTests",
      dependencies: ["GatewayClient", "GatewayModule", "ProxyConfig", "RPC", "Records", "System", "TestSupport"],
      swiftSettings: settings
    ),
    .testTarget(
      name: "GatewayControlTests",
      dependencies: [
        "DNSZones", "GatewayClient", "GatewayControl", "GatewayModule", "Records", "System", "TestSupport",
      ],
      swiftSettings: settings),
    .testTarget(
      name: "EndToEnd",
      dependencies: [
        "GatewayClient", "GatewayModule", "ProxyConfig", "RPC", "Records", "System", "TestSupport", "acme-hook",
        "gateway", "gatewayctl", "gateway-relay", "gateway-tunnel",
        "Calculator", logging,
      ],
      swiftSettings: settings),
  ]
)

// Made by scripts/fuzz alone, whose compiler flags nothing else may have.
if Context.environment["FUZZ"] != nil {
  package.products.append(.library(name: "Fuzz", type: .static, targets: ["Fuzz"]))
  package.targets.append(
    .target(
      name: "Fuzz",
      dependencies: ["DNSZones", "GatewayClient", "GatewayModule", "ProxyConfig", "RPC", "Records", "Relay", nioCore],
      path: "Fuzz/Targets",
      swiftSettings: settings
    ))
}

// Measured by scripts/bench.
if Context.environment["BENCH"] != nil {
  package.targets.append(
    .executableTarget(
      name: "bench-scrape", dependencies: ["GatewayModule", "System"], path: "Benchmarks/scrape",
      swiftSettings: settings
    ))
}

// The bus and its tests, for scripts/tsan.
if Context.environment["BUS_ALONE"] != nil {
  package.products.removeAll { $0.name != "RPC" }
  var wanted: Set = ["RPCTests"]
  // What a target needs stands before it.
  for target in package.targets.reversed() where wanted.contains(target.name) {
    for case .byNameItem(let name, _) in target.dependencies { wanted.insert(name) }
  }
  package.targets.removeAll { !wanted.contains($0.name) }
}
