/// Bytes in both directions. Fractions come from bytes that several workloads share.
struct ByteCount: Hashable, Sendable, Codable {
  /// From clients towards backends.
  var request: Double = 0
  /// From backends towards clients.
  var response: Double = 0

  static func + (one: Self, other: Self) -> Self {
    // A sum that is no number could never be told nor read again.
    Self(
      request: min(one.request + other.request, .greatestFiniteMagnitude),
      response: min(one.response + other.response, .greatestFiniteMagnitude))
  }

  /// Whether both directions are finite and not negative.
  var isValid: Bool {
    request.isFinite && request >= 0 && response.isFinite && response >= 0
  }

  /// What came on top of an earlier reading of the same counters: all of it if either went back, as both began anew then.
  func rise(since earlier: Self) -> Self {
    guard request >= earlier.request, response >= earlier.response else { return self }
    return Self(request: request - earlier.request, response: response - earlier.response)
  }

  /// An equal part for each of `count`, which is not 0.
  func share(among count: Int) -> Self {
    Self(request: request / Double(count), response: response / Double(count))
  }
}
