import Foundation
import TestSupport
import Testing

/// What becomes of acknowledged routes when a system call fails under the running gateway, and its own changes come back to
/// it as events of the directory that it watches.
@Suite(
  .serialized, .timeLimit(.minutes(5)),
  .enabled(
    if: (try? Repository.program("strace")) != nil && getuid() == 0, "strace fails system calls; make setup installs it"
  )
)
struct RouteStoreFaultTests {
  private static let unwritable = "route cannot be written again, and is not served until it is"
  private static let quarantined = "file moved to quarantine"

  /// Has a system call on a file or directory of the root fail while `body` runs.
  ///
  /// - Parameter fault: as strace takes it behind `inject=`.
  private func failing(
    _ fault: String, on path: String, of gateway: GatewayProcess, _ body: () async throws -> Void
  ) async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let call = fault.prefix { $0 != ":" }
      let arguments = [
        "-f", "-p", "\(gateway.pid)", "-P", gateway.root.file(path), "-o", directory.file("trace"), "-e",
        "trace=\(call)",
        "-e", "inject=\(fault)",
      ]
      try await ChildProcess.withProcess("strace", arguments, log: directory.file("log")) { strace in
        _ = try await strace.line { $0.contains("attached") }
        try await body()
      }
    }
  }

  /// Waits until the gateway has seen all that happened in the directory so far.
  private func catchUp(_ gateway: GatewayProcess, _ name: String) async throws {
    try gateway.root.write("a: [", to: "proxy/\(name).yaml")
    try await eventually {
      try gateway.logged(Self.quarantined).contains { $0["file"].string == "\(name).yaml" }
    }
  }

  /// What `Changes` tells of workloads while `body` runs, up to the set of `mark`.
  private func told(_ gateway: GatewayProcess, _ count: Int, _ body: () async throws -> Void) async throws -> [String] {
    let events = try await gateway.caller.events(
      count, of: "Changes", object: "manager@0.0.1", module: "gateway", within: .seconds(60), then: body)
    return events.map { "\($0["Action"].string ?? "") \($0["Workload"].string ?? "")" }
  }

  @Test(
    "A removal that was not synced frees no domain and is not told, until it is synced by itself",
    arguments: ["by a call", "by hand"])
  func unsyncedRemoval(how: String) async throws {
    try await GatewayProcess.withGateway { gateway in
      let events = try await told(gateway, 4) {
        try await gateway.setName("w", "shop", "http://10.1.2.3")
        let domains = try await gateway.domains()
        try await failing("fsync:error=EIO", on: "proxy", of: gateway) {
          if how == "by a call" {
            let error = "cannot store the route of w: fsync \(gateway.root.path)/proxy: Input/output error"
            for _ in 0..<2 { #expect(try await gateway.call("DeleteNamedProxy", "w").callError == error) }
          } else {
            try FileManager.default.removeItem(atPath: gateway.root.file("proxy/w.yaml"))
            try await eventually { try gateway.logged("route not synced").count == 1 }
          }
          #expect(try gateway.routeFile("w") == nil)
          // Its own event has come back to it by then.
          try await catchUp(gateway, "mark")
          #expect(try await gateway.domains() == domains)
          let other = try await gateway.call("SetNamedProxy", "v", "shop", ["http://10.1.2.4"], false)
          #expect(other.callError == "domain already registered: shop.\(GatewayProcess.zone)")
        }
        // Nobody does anything.
        try await eventually { try await gateway.domains() == [:] }
        try await gateway.setName("v", "shop", "http://10.1.2.4")
      }
      #expect(events == ["set w", "quarantined mark", "deleted w", "set v"])
    }
  }

  @Test func unsyncedRouteIsToldOnceItIsSynced() async throws {
    try await GatewayProcess.withGateway { gateway in
      let events = try await told(gateway, 2) {
        try await failing("fsync:error=EIO", on: "proxy", of: gateway) {
          let reply = try await gateway.call("SetNamedProxy", "w", "shop", ["http://10.1.2.3"], false)
          #expect(
            reply.callError == "cannot store the route of w: fsync \(gateway.root.path)/proxy: Input/output error")
          try await catchUp(gateway, "mark")
        }
        try await eventually { try !gateway.logged("route set, and synced now").isEmpty }
      }
      #expect(events == ["quarantined mark", "set w"])
      // It is durable, so that to set it again changes nothing.
      let before = try gateway.routeFile("w")
      try await gateway.setName("w", "shop", "http://10.1.2.3")
      #expect(try gateway.routeFile("w") == before)
    }
  }

  @Test("A route that was not synced is not acknowledged because its file was put on hold since")
  func unsyncedRouteOnHold() async throws {
    let flags =
      GatewayProcess.permissive + [
        "--acme-email", "o@example.org", "--acme-ca", "https://127.0.0.1:9/d", "--acme-patience", "1",
      ]
    try await GatewayProcess.withGateway(flags) { gateway in
      try await gateway.withTraefikAsInstalled { _ in
        try await failing("fsync:error=EIO", on: "proxy", of: gateway) {
          let error = "cannot store the route of w: fsync \(gateway.root.path)/proxy: Input/output error"
          let set = { try await gateway.call("SetNamedProxy", "w", "shop", ["http://10.1.2.3"], false).callError }
          #expect(try await set() == error)
          try await eventually { try gateway.routeFile("w")?.content.contains("certResolver: ") == false }
          #expect(try await set() == error)
        }
        try await eventually { try !gateway.logged("route set, and synced now").isEmpty }
        try await gateway.setName("w", "shop", "http://10.1.2.3")
      }
    }
  }

  @Test(
    "A route whose broken file cannot be replaced stays, and is written as soon as it can be",
    arguments: [
      ("openat:error=ENOSPC", "staging/w.yaml"), ("write:error=ENOSPC", "staging/w.yaml"),
      ("fsync:error=EIO", "staging/w.yaml"), ("renameat2:error=EIO", "proxy/w.yaml"),
    ])
  func unwritableRestoration(fault: String, path: String) async throws {
    try await GatewayProcess.withGateway { gateway in
      var (domains, content) = ([String: String](), "")
      // After the set, only what has to do with the damage is told.
      let events = try await told(gateway, path.hasPrefix("staging") ? 3 : 2) {
        try await gateway.setName("w", "shop", "http://10.1.2.3")
        domains = try await gateway.domains()
        content = try #require(try gateway.routeFile("w")).content
        try await failing(fault, on: path, of: gateway) {
          try Data("http: [".utf8).write(to: URL(filePath: gateway.root.file("proxy/w.yaml")))
          let message =
            path.hasPrefix("staging")
            ? Self.unwritable
            : "file cannot be moved to quarantine and keeps Traefik from taking in any change: move it away by hand"
          try await eventually { try gateway.logged(message).count == 1 }
          if path.hasPrefix("staging") {
            #expect(try gateway.routeFile("w") == nil)
            try await catchUp(gateway, "mark")
          }
          #expect(try await gateway.domains() == domains)
          let other = try await gateway.call("SetNamedProxy", "v", "shop", ["http://10.1.2.4"], false)
          #expect(other.callError == "domain already registered: shop.\(GatewayProcess.zone)")
        }
        try await eventually { try gateway.routeFile("w")?.content == content }
        try await eventually { try gateway.logged("route written again").count == 1 }
      }
      #expect(events == ["set w", "quarantined w", "quarantined mark"].prefix(events.count).map { $0 })
      #expect(try gateway.files(in: "quarantine")["w.yaml"]?.content == "http: [")
      #expect(try await gateway.domains() == domains)
      try await gateway.restart()
      #expect(try await gateway.domains() == domains)
    }
  }

  @Test func eachChangeCostsOneSyncOfTheDirectory() async throws {
    try await GatewayProcess.withGateway { gateway in
      let trace = try await SystemCallTrace.record(gateway.pid) {
        try await gateway.setName("w", "shop", "http://10.1.2.3")
        try await gateway.setName("w", "other", "http://10.1.2.3")
        try await gateway.delete("w")
      }
      let proxy = gateway.root.file("proxy")
      #expect(trace.calls.count { $0.name == "fsync" && $0.files.first == proxy } == 3)
    }
  }

  @Test func brokenFileIsKeptWhereNothingCanBeQuarantined() async throws {
    try await GatewayProcess.withGateway { gateway in
      try await gateway.setName("w", "shop", "http://10.1.2.3")
      let content = try #require(try gateway.routeFile("w")).content
      try await Command.succeed("sh", ["-ec", "cd $0; rmdir quarantine; echo > quarantine", gateway.root.path])
      try Data("http: [".utf8).write(to: URL(filePath: gateway.root.file("proxy/w.yaml")))
      try await eventually(within: .seconds(30)) { try gateway.logged("route written again").count == 1 }
      #expect(try gateway.routeFile("w")?.content == content)
      let line = try #require(try gateway.logged(Self.quarantined).first)
      #expect(line["quarantine"].string == gateway.root.file("staging/w.yaml.kept"))
      #expect(try gateway.files(in: "staging")["w.yaml.kept"]?.content == "http: [")
    }
  }

  @Test func fileSystemThatCannotExchangeFilesRestoresRoutesToo() async throws {
    try await GatewayProcess.withGateway { gateway in
      try await gateway.setName("w", "shop", "http://10.1.2.3")
      let content = try #require(try gateway.routeFile("w")).content
      try await failing("renameat2:error=EINVAL:when=1", on: "proxy/w.yaml", of: gateway) {
        try Data("http: [".utf8).write(to: URL(filePath: gateway.root.file("proxy/w.yaml")))
        try await eventually { try gateway.logged("route written again").count == 1 }
      }
      #expect(try gateway.routeFile("w")?.content == content)
      #expect(try gateway.files(in: "quarantine")["w.yaml"]?.content == "http: [")
      #expect(try gateway.files(in: "staging").count == 1)
    }
  }
}
