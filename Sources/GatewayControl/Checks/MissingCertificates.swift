public import GatewayClient
import GatewayModule
import RPC
import System

/// The names that Traefik has no certificate for though sites wait for one, in words.
public struct MissingCertificates: Hashable, Sendable {
  /// How many names a line has.
  static let shown = 3
  /// What to do about them.
  public static let remedy =
    "Traefik's log says why, behind 'Unable to obtain ACME certificate'; 429 there is the authority's rate limit: "
    + "withdraw what cannot get one, and wait"

  public let count: Int
  /// The first of them.
  public let names: [UncertifiedName]

  /// Returns nil when no certificates are asked for, and when the gateway does not tell.
  public init?(_ info: NodeInfo) {
    guard !info.certificateAuthority.isEmpty, let names = info.withoutCertificate else { return nil }
    count = info.withoutCertificates ?? names.count
    self.names = names
  }

  /// Part of a line.
  public var finding: String {
    guard count > 0 else {
      return "no site has waited for more than \(NodeInfo.certificatePatience / 60) minutes"
    }
    let first = names.prefix(Self.shown).map { name in
      "\(name.name) since \(UTCTime(name.since))"
        + (name.nextTry.map { " (on hold until \(UTCTime($0)))" } ?? "")
    }
    let more = count > first.count ? " and \(count - first.count) more" : ""
    return "\(count) \(count == 1 ? "name" : "names") without: \(first.joined(separator: ", "))\(more)"
  }
}
