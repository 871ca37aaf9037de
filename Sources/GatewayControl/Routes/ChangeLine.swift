public import GatewayModule

/// A change of a route in one line.
public struct ChangeLine: Hashable, Sendable, Encodable, CustomStringConvertible {
  private let change: RouteChange

  public init(_ change: RouteChange) {
    self.change = change
  }

  public var description: String {
    let action = change.action.rawValue.padded(to: 11)
    let names = [change.workload, change.domain].map { $0.isEmpty ? "-" : $0 }
    let reason = change.reason.isEmpty ? [] : [Self.line(change.reason)]
    return ([time, action] + names + reason).joined(separator: "  ")
  }

  /// As on the bus, but for the time, which is text (RFC 3339).
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: RouteChange.CodingKeys.self)
    try container.encode(change.workload, forKey: .workload)
    try container.encode(change.domain, forKey: .domain)
    try container.encode(change.action, forKey: .action)
    try container.encode(change.reason, forKey: .reason)
    try container.encode(time, forKey: .time)
    try container.encodeIfPresent(change.previous, forKey: .previous)
  }

  private var time: String { UTCTime(change.time).description }

  /// What others wrote must not break a line, or do more to a terminal.
  private static func line(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
  }
}
