import ArgumentParser
import Arguments
import Glibc
import Logging
import NIOCore
import NIOSSL
import Relay
import ServiceLifecycle
import System

/// The program for the machine at home.
struct TunnelCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gateway-tunnel",
    abstract: "Dials out to a gateway, so that a web server on this machine is reached through it.",
    discussion: """
      gateway-tunnel --server tls://tunnel.gent01.example.org --secret-file secret --local 127.0.0.1:8080

      Who has the tunnel set (gatewayctl tunnel set) is told its servers and its secret. It goes on for as long as it runs, whatever \
      becomes of the connection or of the web server. The secret may stand in the environment instead, as \
      GATEWAY_TUNNEL_SECRET. The process ends with status 64 for a bad flag, 77 when every server refuses the secret, and 1 \
      when it cannot start.
      """,
    version: "gateway-tunnel \(ProgramVersion.text)")

  /// Status of a secret that is refused: EX_NOPERM (sysexits.h).
  static let refused: Int32 = 77

  @Option(
    name: .customLong("server"), parsing: .upToNextOption,
    help: .init(
      "Where to dial: tls://HOST[:PORT] or, in clear, tcp://HOST[:PORT]. All of them are dialled.", valueName: "url"),
    transform: TunnelServerURL.init)
  var servers: [TunnelServerURL] = []

  @Option(
    help: .init("A file whose first line is the secret; without it, GATEWAY_TUNNEL_SECRET is.", valueName: "file"))
  var secretFile: String?

  @Option(
    help: .init("Where the web server listens.", valueName: "ip:port"), transform: { try Endpoint($0) })
  var local: Endpoint

  @Option(
    name: .customLong("local-tls"),
    help: .init(
      "Where it listens for TLS, when that is another place: for domains passed through.", valueName: "ip:port"),
    transform: { try Endpoint($0) })
  var localTLS: Endpoint?

  @Option(
    help: .init("A file with certificate authorities (PEM) to be trusted in place of the system's.", valueName: "file"))
  var ca: String?

  @Flag(
    name: .customLong("tcprouter"), help: "The servers are tcprouter's, which do not say whether they know the secret.")
  var isTCPRouter = false

  @OptionGroup(title: "Log") var log: LogOptions

  func validate() throws {
    guard !servers.isEmpty else { throw ValidationError("--server is missing") }
  }

  func run() async throws {
    let logger = log.logger("gateway-tunnel")
    var configuration = TunnelClient.Configuration(
      servers: servers, secret: try secret(), local: local, localTLS: localTLS)
    configuration.isTCPRouter = isTCPRouter
    var tls = TLSConfiguration.makeClientConfiguration()
    if let ca { tls.trustRoots = .file(ca) }
    let context = try NIOSSLContext(configuration: tls)
    let client = TunnelClient(configuration, logger: logger) { channel, server in
      let isAddress = (try? IPAddress(server.host)) != nil
      try channel.pipeline.syncOperations.addHandler(
        NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : server.host))
    }
    var lifecycleLogger = logger
    lifecycleLogger.logLevel = max(logger.logLevel, .warning)
    let group = ServiceGroup(
      configuration: .init(
        services: [.init(service: client, successTerminationBehavior: .gracefullyShutdownGroup)],
        gracefulShutdownSignals: [.sigterm, .sigint], logger: lifecycleLogger))
    try await group.run()
  }

  private func secret() throws -> TunnelSecret {
    let text: String
    if let secretFile {
      guard let bytes = try FileSystem.content(of: secretFile, limit: 4096) else {
        throw ValidationError("--secret-file: there is no file \(secretFile)")
      }
      text = String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }, as: UTF8.self)
    } else {
      guard let value = getenv("GATEWAY_TUNNEL_SECRET").map({ String(cString: $0) }), !value.isEmpty else {
        throw ValidationError("--secret-file is missing, and GATEWAY_TUNNEL_SECRET is not set")
      }
      text = value
    }
    do { return try TunnelSecret(text.utf8) } catch { throw ValidationError("\(error)") }
  }
}
