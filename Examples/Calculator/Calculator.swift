import ArgumentParser
import Logging
import RPC
import ServiceLifecycle

/// A small bus service: module `server` with the objects `calculator@1.0` and `utils@1.0`.
@main
struct Calculator: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "Calculator", abstract: "Serves calculator@1.0 and utils@1.0 as the bus module 'server'.")

  @Option(
    help:
      "The Redis server: unix:///PATH, tcp://[PASSWORD@]HOST[:PORT] or redis://[[USER:]PASSWORD@]HOST[:PORT][/DATABASE]."
  )
  var broker = "tcp://localhost:6379"

  func run() async throws {
    let logger = Logger(label: "calculator")
    var server = RPCServer(module: "server", broker: try BrokerURL(broker), logger: logger)

    server.register(ObjectID("calculator", version: "1.0")) {
      RPCMethod("Add") { (a: Double, b: Double) in a + b }
      RPCMethod("AddSub") { (a: Double, b: Double) in (a + b, a - b) }
      RPCMethod("Divide") { (a: Double, b: Double) in
        guard b != 0 else { throw CallError("cannot divide by zero") }
        return a / b
      }
      RPCMethod("Pow") { (base: Double, exponent: Double) in power(base, exponent) }
      RPCMethod("Avg") { (values: [Double]) in
        guard !values.isEmpty else { throw CallError("the average of no values is not defined") }
        return values.reduce(0, +) / Double(values.count)
      }
    }

    server.register(ObjectID("utils", version: "1.0")) {
      RPCMethod("Capitalize") { (text: String) in text.uppercased() }
      RPCMethod("Tuple") { (10, "hello world", 0.5) }
      RPCMethod("Panic") { throw ProtocolError("panic: this method always does") }
      RPCMethod("Sleep") { (nanoseconds: Int64) in
        await CurrentCall.releaseWorker()
        try await Task.sleep(for: .nanoseconds(max(0, nanoseconds)))
      }
      RPCStream("TikTok") {
        AsyncStream {
          try? await Task.sleep(for: .seconds(1))
          return Task.isCancelled ? nil : Timestamp.now
        }
      }
    }

    let group = ServiceGroup(
      configuration: .init(
        services: [.init(service: server)], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
    try await group.run()
  }
}
