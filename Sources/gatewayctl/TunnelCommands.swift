import ArgumentParser
import GatewayClient
import GatewayControl
import System

/// Tunnels.
struct TunnelCommands: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tunnel", abstract: "Tunnels, by which machines behind NAT dial in and are reached.",
    subcommands: [Set.self, Delete.self, List.self])

  struct Set: GatewayCtlCommand {
    static let configuration = CommandConfiguration(
      commandName: "set",
      abstract: "Sets a workload's tunnel, and prints where its client dials in, and its secret if one was made.",
      discussion: """
        gatewayctl tunnel set 37-1976-home
        gatewayctl set-name 37-1976-web home --backend tunnel:37-1976-home
        """)

    @Argument(help: "The workload's identifier.") var workload: String
    @Option(
      help: .init(
        "A file with the secret, of 16 to 512 bytes; a line's end after it does not count. Without it one is made, unless there is one.",
        valueName: "file"))
    var secretFile: String?
    @OptionGroup var waiting: LiveWaitOptions
    @OptionGroup var bus: BusOptions

    func run() async throws {
      let request = TunnelRequest(secret: try secretFile.map(Self.secret))
      try await bus.withTunnels { tunnels in
        let access = try await tunnels.setTunnel(request, for: workload)
        if bus.json {
          try StandardOutput.print(JSONText.pretty(access))
        } else {
          let secret = access.secret.isEmpty ? [] : ["secret \(access.secret)"]
          try StandardOutput.print((access.servers.map { "server \($0)" } + secret).joined(separator: "\n"))
        }
        try await waiting.wait(for: "the tunnel of \(workload)") {
          let tunnel = try await tunnels.tunnels().first { $0.workload == workload }
          switch tunnel?.connected {
          case true?: return .live()
          case false?: return .pending("no client has dialled in")
          case nil: return .pending(tunnel == nil ? "it is gone" : "the relay does not answer")
          }
        }
      }
    }

    private static func secret(_ path: String) throws -> String {
      guard let bytes = try FileSystem.content(of: path, limit: 4096) else {
        throw ValidationError("--secret-file: there is no file \(path)")
      }
      guard let text = String(validating: bytes, as: UTF8.self) else {
        throw ValidationError("--secret-file: the secret in \(path) is not UTF-8")
      }
      return String(text.drop { $0.isNewline }.prefix { !$0.isNewline })
    }
  }

  struct Delete: GatewayCtlCommand {
    static let configuration = CommandConfiguration(
      commandName: "delete", abstract: "Takes a workload's tunnel away, and ends the sessions of its clients.")

    @Argument(help: "The workload's identifier.") var workload: String
    @OptionGroup var bus: BusOptions

    func run() async throws { try await bus.withTunnels { try await $0.deleteTunnel(of: workload) } }
  }

  struct List: GatewayCtlCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "Lists all tunnels, who has dialled in, and what went through.")

    @OptionGroup var bus: BusOptions

    func run() async throws {
      let tunnels = try await bus.withTunnels { try await $0.tunnels() }
      if bus.json { return try StandardOutput.print(JSONText.pretty(tunnels)) }
      let rows = tunnels.map { tunnel in
        [
          tunnel.workload, tunnel.connected.map { $0 ? "yes" : "NO" } ?? "?",
          tunnel.sessions.map(\.remote).joined(separator: ", "), "\(tunnel.streams)",
          "\(ByteSize(Double(tunnel.received)))", "\(ByteSize(Double(tunnel.sent)))",
        ]
      }
      try StandardOutput.print(
        Table(header: ["WORKLOAD", "CONNECTED", "FROM", "STREAMS", "RECEIVED", "SENT"], rows: rows).description)
    }
  }
}

/// Who asks would wait for an answer that nobody gives.
struct NoTunnels: Error, CustomStringConvertible {
  let description = "this gateway has no tunnels: it was started without --relay-address"
}

extension BusOptions {
  /// Runs `body` with the gateway's tunnels.
  fileprivate func withTunnels<Result: Sendable>(_ body: (TunnelClient) async throws -> Result) async throws -> Result {
    try await withObject(TunnelObject.id, else: NoTunnels()) { try await body(TunnelClient($0, timeout: $1)) }
  }
}
