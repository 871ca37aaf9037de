import ArgumentParser
import GatewayClient
import GatewayControl

/// Pipes.
struct PipeCommands: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pipe", abstract: "Pipes, which carry what comes to a port to somewhere else.",
    subcommands: [Set.self, Delete.self, List.self])

  struct Set: GatewayCtlCommand {
    static let configuration = CommandConfiguration(
      commandName: "set", abstract: "Sets a workload's pipe.",
      discussion: """
        gatewayctl pipe set 37-1976-ssh --listen 0.0.0.0:12000 --remote 10.1.2.3:22 --remote-network production
        gatewayctl pipe set 37-1976-db --listen 10.1.2.1:5432 --network production --remote db.example.org:5432
        gatewayctl pipe set 37-1976-game --listen 0.0.0.0:12001 --remote tunnel:37-1976-home
        """)

    @Argument(help: "The workload's identifier.") var workload: String
    @Option(
      help: .init(
        "Where it listens; 0.0.0.0 stands for all addresses of IPv4, [::] for those of IPv6.", valueName: "ip:port"))
    var listen: String
    @Option(help: .init("The user's private network in which it listens.", valueName: "name"))
    var network: String?
    @Option(
      help: .init(
        "Where it leads: an address or a host name, with a port, or tunnel:WORKLOAD.", valueName: "host:port"))
    var remote: String
    @Option(help: .init("The user's private network in which that is.", valueName: "name"))
    var remoteNetwork: String?
    @OptionGroup var waiting: LiveWaitOptions
    @OptionGroup var bus: BusOptions

    func run() async throws {
      let request = PipeRequest(listen: listen, network: network, remote: remote, remoteNetwork: remoteNetwork)
      try await bus.withPipes { pipes in
        try await pipes.setPipe(request, for: workload)
        try await waiting.wait(for: "the pipe of \(workload)") {
          let pipe = try await pipes.pipes().first { $0.workload == workload }
          switch pipe?.listening {
          case true?: return .live()
          case false?: return .pending(pipe?.error ?? "")
          case nil: return .pending(pipe == nil ? "it is gone" : "the relay does not answer")
          }
        }
      }
    }
  }

  struct Delete: GatewayCtlCommand {
    static let configuration = CommandConfiguration(
      commandName: "delete", abstract: "Takes a workload's pipe away, and ends its connections.")

    @Argument(help: "The workload's identifier.") var workload: String
    @OptionGroup var bus: BusOptions

    func run() async throws { try await bus.withPipes { try await $0.deletePipe(of: workload) } }
  }

  struct List: GatewayCtlCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "Lists all pipes, what goes through them, and what failed last.")

    @OptionGroup var bus: BusOptions

    func run() async throws {
      let pipes = try await bus.withPipes { try await $0.pipes() }
      if bus.json { return try StandardOutput.print(JSONText.pretty(pipes)) }
      let rows = pipes.map { pipe in
        [
          pipe.workload, Self.place(pipe.listen, pipe.network), pipe.listening.map { $0 ? "yes" : "NO" } ?? "?",
          Self.place(pipe.remote, pipe.remoteNetwork), "\(pipe.streams)", "\(ByteSize(Double(pipe.received)))",
          "\(ByteSize(Double(pipe.sent)))", pipe.error,
        ]
      }
      try StandardOutput.print(
        Table(
          header: ["WORKLOAD", "LISTEN", "LISTENING", "REMOTE", "STREAMS", "RECEIVED", "SENT", "LAST ERROR"], rows: rows
        ).description)
    }

    private static func place(_ address: String, _ network: String) -> String {
      network.isEmpty ? address : "\(address) in \(network)"
    }
  }
}

/// Who asks would wait for an answer that nobody gives.
struct NoPipes: Error, CustomStringConvertible {
  let description = "this gateway has no pipes: it was started without --relay-address"
}

extension BusOptions {
  /// Runs `body` with the gateway's pipes.
  fileprivate func withPipes<Result: Sendable>(_ body: (PipeClient) async throws -> Result) async throws -> Result {
    try await withObject(PipeObject.id, else: NoPipes()) { try await body(PipeClient($0, timeout: $1)) }
  }
}
