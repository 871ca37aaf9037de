/// Why a call did not bring the result that was asked for.
public struct CallFailure: Error, Hashable, Sendable, CustomStringConvertible {
  /// What went wrong, and whether the method may have run.
  public enum Reason: Hashable, Sendable {
    /// The method ran and failed; this is what it says.
    case callError(String)
    /// The call did not reach a method, or the method broke down.
    case protocolError(String)
    /// The broker could not be reached in time, for this reason. Nothing was sent, so that nothing will ever run.
    case notSent(BrokerError)
    /// The request was sent, and nobody answered in time; the broker may have gone away meanwhile, which then is the cause.
    /// A withdrawn request was still waiting and will never run; any other may have run.
    case noAnswer(broker: String, queue: String, after: Duration, isWithdrawn: Bool, cause: BrokerError?)
    /// The result is not of the expected type.
    case undecodable(String)
    /// The broker denies access, or refused the request.
    case broker(BrokerError)
    /// The client was stopped.
    case stopped
  }

  /// The method that was called; empty for a module's status.
  public let method: String
  /// What went wrong.
  public let reason: Reason

  public var description: String {
    switch reason {
    case .callError(let message): message
    case .protocolError(let message): "\(method): \(message)"
    case .noAnswer(let broker, let queue, let after, let isWithdrawn, let cause):
      "no answer within \(after) from queue \(queue) at \(broker)"
        + (cause.map { ": \($0)" } ?? "") + (isWithdrawn ? "; the request was withdrawn" : "")
    case .notSent(let error): "\(error); nothing was sent"
    case .undecodable(let why): "\(method): the result does not decode: \(why)"
    case .broker(let error): "\(error)"
    case .stopped: "\(method): the client was stopped"
    }
  }
}
