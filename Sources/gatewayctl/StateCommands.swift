import ArgumentParser
import GatewayModule
import RPC

struct ShowMetrics: GatewayCtlCommand {
  static let configuration = CommandConfiguration(
    commandName: "metrics", abstract: "Shows the bytes that went through Traefik for each workload.")

  @OptionGroup var bus: BusOptions

  func run() async throws {
    let metrics: Metrics = try await bus.withGateway { try await $0.call("Metrics") }
    guard !bus.json else { return print(try JSON.text(metrics)) }
    let workloads = Set(metrics.request.keys).union(metrics.response.keys).sorted()
    print(
      Table(
        header: ["WORKLOAD", "REQUEST BYTES", "RESPONSE BYTES"],
        rows: workloads.map { workload in
          [workload] + [metrics.request, metrics.response].map { Self.text(bytes: $0[workload, default: 0]) }
        }))
  }

  private static func text(bytes: Double) -> String {
    Int64(exactly: bytes.rounded()).map(String.init) ?? "\(bytes)"
  }
}

struct Status: GatewayCtlCommand {
  static let configuration = CommandConfiguration(abstract: "Shows the module's objects and what its workers do.")

  @OptionGroup var bus: BusOptions

  func run() async throws {
    let status = try await bus.withClient { client, timeout in
      try await client.status(of: Gateway.module, timeout: timeout)
    }
    guard !bus.json else { return print(try JSON.text(status)) }
    let busy = status.workers.filter { $0.state == .busy }
    print("objects  \(status.objects.map(\.description).joined(separator: " "))")
    print("workers  \(status.workers.count), of which busy \(busy.count)")
    for worker in busy {
      print("         \(worker.action) for \(max(0, Timestamp.now.seconds - worker.startTime.seconds)) s")
    }
  }
}
