/// Why a call did not bring the result that was asked for.
public struct CallFailure: Error, Hashable, Sendable, CustomStringConvertible {
  /// What went wrong. There may be others in later versions, and for the objects of a module: a caller treats those that it does
  /// not know as it treats ``callError``.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    /// Lower case, words joined by hyphens.
    public let description: String

    /// - Parameter description: lower case, words joined by hyphens.
    public init(_ description: String) { self.description = description }

    /// The method ran and failed; the failure's text is what it says.
    public static let callError = Code("call-error")
    /// The call did not reach a method, or the method broke down.
    public static let protocolError = Code("protocol-error")
    /// The broker could not be reached in time. Nothing was sent, so that nothing will ever run.
    public static let notSent = Code("not-sent")
    /// The request was sent, and nobody answered in time; the broker may have gone away meanwhile, which then is the cause.
    public static let noAnswer = Code("no-answer")
    /// The result is not of the expected type.
    public static let undecodable = Code("undecodable")
    /// The broker denies access, or refused the request.
    public static let broker = Code("broker")
    /// The client was stopped.
    public static let stopped = Code("stopped")
  }

  /// What went wrong.
  public let code: Code
  /// The method that was called; empty for a module's status.
  public let method: String
  /// In one line, for the log and the person who reads it.
  public let description: String
  /// What the broker did, where that is why.
  public let cause: BrokerError?
  /// Whether the method may have run, or may run yet.
  public let mayRun: Bool

  init(_ code: Code, _ method: String, _ description: String, cause: BrokerError? = nil, mayRun: Bool) {
    self.code = code
    self.method = method
    self.description = description
    self.cause = cause
    self.mayRun = mayRun
  }

  /// The same failure with a code that says more, for the client of an object that knows what its messages mean.
  public func withCode(_ code: Code) -> CallFailure {
    CallFailure(code, method, description, cause: cause, mayRun: mayRun)
  }
}
