public import Logging
public import RPC

/// Where the node's public network is known from.
public enum PublicNetworkSource: Sendable {
  /// From this module's configuration.
  case fixed(PublicNetwork)
  /// From the `network` module.
  case bus(NetworkModule)

  /// What was last known, without a wait where anything is: also what kept it from being known.
  func last() async throws(PublicNetworkUnknown) -> PublicNetwork {
    switch self {
    case .fixed(let network): network
    case .bus(let module): try await module.lastAnswer()
    }
  }

  func current() async throws(PublicNetworkUnknown) -> PublicNetwork {
    switch self {
    case .fixed(let network): network
    case .bus(let module): try await module.publicNetwork()
    }
  }
}

/// Why the node's public network is not known.
public struct PublicNetworkUnknown: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String
}

/// Asks the node's `network` module for its public network, and keeps the answer for a minute.
///
/// While the module does not answer, its last answer is used: a route must not fail because another module restarts.
public actor NetworkModule {
  private let object: RPCClient.RemoteObject
  private let lifetime: Duration
  private let logger: Logger
  private var known: (network: PublicNetwork, since: ContinuousClock.Instant)?
  /// Why the last question had no answer, if none ever had.
  private var lastFault: PublicNetworkUnknown?
  /// Whether the module did not answer the last question; it is logged when that begins.
  private var isSilent = false
  /// The question that is under way; everybody waits for its answer.
  private var question: Task<Result<PublicNetwork, PublicNetworkUnknown>, Never>?

  public init(client: RPCClient, logger: Logger) {
    self.init(client: client, lifetime: .seconds(60), timeout: .seconds(5), logger: logger)
  }

  /// - Parameters:
  ///   - lifetime: how long an answer is kept.
  ///   - timeout: how long to wait for one.
  init(client: RPCClient, lifetime: Duration, timeout: Duration, logger: Logger) {
    object = client.object(ObjectID("network", version: "0.0.1"), of: "network", timeout: timeout)
    self.lifetime = lifetime
    self.logger = logger
  }

  /// The last answer, however old, or why there has been none.
  func lastAnswer() async throws(PublicNetworkUnknown) -> PublicNetwork {
    if let known { return known.network }
    if let lastFault { throw lastFault }
    return try await publicNetwork()
  }

  func publicNetwork() async throws(PublicNetworkUnknown) -> PublicNetwork {
    if let known, known.since.duration(to: .now) < lifetime { return known.network }
    let question =
      self.question
      ?? Task {
        let answer = await ask()
        if case .failure(let fault) = answer { lastFault = fault }
        self.question = nil
        return answer
      }
    self.question = question
    return try await question.value.get()
  }

  private func ask() async -> Result<PublicNetwork, PublicNetworkUnknown> {
    do {
      let config: PublicConfig = try await object.call("GetPublicConfig")
      let network = try config.publicNetwork()
      if network != known?.network {
        logger.info(
          "public network",
          metadata: [
            "domain": "\(network.domain.map { "\($0)" } ?? "none")",
            "addresses": "\(network.addresses.map(\.description).joined(separator: " "))",
          ])
      }
      known = (network, .now)
      isSilent = false
      return .success(network)
    } catch let failure as CallFailure {
      if [.noAnswer, .notSent].contains(failure.code), let known {
        if !isSilent {
          logger.warning("public network not confirmed, using the last answer", metadata: ["reason": "\(failure)"])
        }
        isSilent = true
        // Not to be asked for again at every call.
        self.known = (known.network, .now)
        return .success(known.network)
      }
      let reason = (failure.code == .callError ? "the network module says: " : "") + failure.description
      return .failure(PublicNetworkUnknown(description: "the node's public network is not known: \(reason)"))
    } catch {
      return .failure(PublicNetworkUnknown(description: "the node's public network is not known: \(error)"))
    }
  }
}
