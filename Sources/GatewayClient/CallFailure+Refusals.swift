public import RPC

/// Why the gateway refuses, as far as a caller may want to act on it. Any other refusal has the code `callError`.
extension CallFailure.Code {
  /// The domain, or the name of records, belongs to another workload.
  public static let domainTaken = CallFailure.Code("domain-taken")
  /// A workload, a name, a backend or another value breaks a rule; the message names the value and the rule.
  public static let invalidValue = CallFailure.Code("invalid-value")
  /// The domain's addresses are not this node's, or it is not delegated to this gateway.
  public static let pointsElsewhere = CallFailure.Code("points-elsewhere")
  /// The domain could not be looked up.
  public static let lookupFailed = CallFailure.Code("lookup-failed")
  /// The route, the zone or the records could not be put on disk; what was there before is still in effect.
  public static let storageFailed = CallFailure.Code("storage-failed")

  /// By the words that the message of each kind begins with or has in it, and no other has.
  init?(refusal message: String) {
    let code: CallFailure.Code? =
      if message.hasPrefix("invalid ") {
        .invalidValue
      } else if message.hasPrefix("domain already registered: ") || message.hasPrefix("name already registered: ") {
        .domainTaken
      } else if message.contains(" does not point to this node: ")
        || message.contains(" is not delegated to this gateway: ")
      {
        .pointsElsewhere
      } else if message.hasPrefix("cannot look up ") || message.hasPrefix("cannot ask the zone ") {
        .lookupFailed
      } else if message.hasPrefix("cannot store ") || message.hasPrefix("cannot remove ") {
        .storageFailed
      } else {
        nil
      }
    guard let code else { return nil }
    self = code
  }
}

extension CallFailure {
  /// Gives a refusal the code of its kind.
  static func telling<Result>(_ call: () async throws -> Result) async throws -> Result {
    do {
      return try await call()
    } catch let failure as CallFailure {
      guard failure.code == .callError, let code = Code(refusal: failure.description) else { throw failure }
      throw failure.withCode(code)
    }
  }
}
