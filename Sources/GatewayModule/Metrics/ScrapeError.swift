public import ProxyConfig
import System

/// Why Traefik's metrics could not be read.
public struct ScrapeError: Error, Equatable, CustomStringConvertible {
  public enum Reason: Equatable, Sendable {
    /// Nothing listens there, so there is nothing to be counted.
    case notRunning
    /// No socket could be opened in the network namespace.
    case namespace(NetworkNamespaceError)
    /// The connection could not be made, or broke.
    case connection(String)
    /// The status was another than 200.
    case status(Int)
    /// What came is no whole HTTP response.
    case malformed
    /// The body is longer than this many bytes.
    case tooLarge(Int)
    /// It was not all there by then.
    case timedOut(Duration)
    /// The task that asked was cancelled.
    case cancelled
  }

  public let address: Endpoint
  public let reason: Reason

  public var description: String {
    "cannot read Traefik's metrics at \(address): \(reason.text)"
  }
}

extension ScrapeError.Reason {
  fileprivate var text: String {
    switch self {
    case .notRunning: "nothing listens there"
    case .namespace(let error): "\(error)"
    case .connection(let error): error
    case .status(let code): "the status is \(code) and not 200"
    case .malformed: "the answer is no whole HTTP response"
    case .tooLarge(let limit): "the body is longer than \(limit) bytes"
    case .timedOut(let limit): "not done within \(limit)"
    case .cancelled: "cancelled"
    }
  }
}
