/// A method's own refusal: the call error that its caller gets. Any other error that a method throws is answered the
/// same way, with its description.
public struct CallError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What the caller gets to read: name the input and the rule.
  public let message: String

  /// - Parameter message: in one line, for the caller's log.
  public init(_ message: String) {
    self.message = message
  }

  public var description: String { message }
}

/// What a method throws to answer with a protocol error, as if it had crashed. Go callers crash on one: use
/// ``CallError`` wherever the call itself was sound.
public struct ProtocolError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What the caller gets to read.
  public let message: String

  /// - Parameter message: in one line, for the caller's log.
  public init(_ message: String) {
    self.message = message
  }

  public var description: String { message }
}
