public import GatewayClient
import GatewayModule
import RPC
import System

/// A change of a route in one line.
public struct ChangeLine: Hashable, Sendable, Encodable, CustomStringConvertible {
  private let change: RouteEvent

  public init(_ change: RouteEvent) {
    self.change = change
  }

  public var description: String { line(workloadWidth: 0) }

  /// How wide its workload is, in characters.
  public var workloadWidth: Int { max(change.workload.count, 1) }

  /// - Parameter workloadWidth: of the column of workloads, in characters.
  public func line(workloadWidth: Int) -> String {
    let names = [change.workload, change.domain].map { $0.isEmpty ? "-" : $0 }
    let reason = change.reason.isEmpty ? [] : [Self.line(change.reason)]
    let columns = [time, change.action.rawValue.padded(to: 11), names[0].padded(to: workloadWidth), names[1]]
    return (columns + reason).joined(separator: "  ")
  }

  /// As on the bus, but for the time, which is text (RFC 3339).
  public func encode(to encoder: any Encoder) throws { try change.encode(to: encoder) }

  private var time: String { UTCTime(change.time).description }

  /// What others wrote must not break a line, or do more to a terminal.
  private static func line(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
  }
}
