import Foundation

/// Where this package and the programs its tests start are found.
public enum Repository {
  /// The folder that holds `Package.swift`.
  public static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

  /// The path of a file of this repository.
  public static func file(_ path: String) -> String {
    root + "/" + path
  }

  /// The folder of the programs that this build made: `gateway`, `gatewayctl` and the examples.
  public static let products = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().path

  /// The path of an executable that this build made.
  public static func product(_ name: String) throws -> String {
    let candidates = [products, file(".build/debug")].map { "\($0)/\(name)" }
    guard let path = candidates.first(where: FileManager.default.isExecutableFile(atPath:)) else {
      throw FixtureError("no executable \(name) in \(products)")
    }
    return path
  }

  /// The path of a program in Go that tests speak with, which scripts/peers builds.
  public static func peer(_ name: String) throws -> String {
    let path = file(".build/peers/\(name)")
    guard FileManager.default.isExecutableFile(atPath: path) else {
      throw FixtureError("no \(path); scripts/peers builds it")
    }
    return path
  }

  /// The path of a program: what the environment variable names, else the one that `make setup` put into `.venv`, else
  /// the first on `PATH`.
  public static func program(_ name: String, environment variable: String? = nil) throws -> String {
    let environment = ProcessInfo.processInfo.environment
    if let variable, let path = environment[variable], !path.isEmpty { return path }
    let folders =
      [file(".venv/bin")] + (environment["PATH"] ?? "").split(separator: ":").map(String.init)
      + ["/usr/sbin", "/sbin"]
    guard let path = folders.map({ "\($0)/\(name)" }).first(where: FileManager.default.isExecutableFile(atPath:)) else {
      throw FixtureError("no \(name) in .venv/bin or on PATH; make setup installs it")
    }
    return path
  }
}
