public import ProxyConfig
import System

/// Why a resolver gave no address for a domain.
public struct LookupError: Error, Hashable, CustomStringConvertible {
  public enum Reason: Hashable, Sendable {
    /// NXDOMAIN.
    case noSuchDomain
    /// The domain exists, with neither A nor AAAA records.
    case noAddresses
    /// SERVFAIL: the resolver could not find out.
    case serverFailure
    /// REFUSED: the resolver does not serve this node.
    case refused
    /// FORMERR or NOTIMP: the resolver does not take the question.
    case rejected
    /// No answer within the limit.
    case silence(Duration)
    /// The port is closed, or no route leads to it.
    case unreachable
    /// The answer is no valid DNS message.
    case malformedAnswer
    /// The task that asked was cancelled.
    case cancelled
    /// This process lacks memory or descriptors.
    case outOfResources
  }

  public let domain: Domain
  public let resolver: Endpoint
  public let reason: Reason

  public var description: String {
    "cannot look up \(domain) at \(resolver): \(reason.text)"
  }
}

extension LookupError.Reason {
  fileprivate var text: String {
    switch self {
    case .noSuchDomain: "there is no such domain (NXDOMAIN)"
    case .noAddresses: "it has no A or AAAA records"
    case .serverFailure: "the resolver could not find out (SERVFAIL)"
    case .refused: "the resolver refuses to answer (REFUSED)"
    case .rejected: "the resolver does not take the question"
    case .silence(let limit): "no answer within \(limit)"
    case .unreachable: "nothing listens there, or no route leads there"
    case .malformedAnswer: "the answer is malformed"
    case .cancelled: "cancelled"
    case .outOfResources: "this process lacks memory or descriptors"
    }
  }
}
