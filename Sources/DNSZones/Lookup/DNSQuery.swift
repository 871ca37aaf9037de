package import Records
package import System

/// A question put to one DNS server, once, by a thread that has nothing else to do meanwhile. Lookups that wait for a resolver
/// are for a ``DNSChannel``.
package struct DNSQuery: Sendable {
  /// Without a dot at its end.
  package let name: String
  package let type: DNSRecordType
  package let server: Endpoint
  /// Whether the server shall ask others for what it does not know.
  package let isRecursive: Bool

  /// Whether it is asked over TCP alone.
  package let usesTCP: Bool

  package init(name: Domain, type: DNSRecordType, server: Endpoint, isRecursive: Bool, usesTCP: Bool = false) {
    self.init(name.rawValue, type: type, server: server, isRecursive: isRecursive, usesTCP: usesTCP)
  }

  /// - Parameter name: of any number of labels.
  package init(_ name: String, type: DNSRecordType, server: Endpoint, isRecursive: Bool, usesTCP: Bool = false) {
    self.name = name
    self.type = type
    self.server = server
    self.isRecursive = isRecursive
    self.usesTCP = usesTCP
  }

  /// What dnsmasq sends at most, and no network has to take apart, in bytes.
  private static let answerSize = 1232

  /// Asks.
  ///
  /// - Parameter limit: how long to wait for an answer, at least a millisecond.
  package func ask(within limit: Duration) -> DNSReply {
    var options = DNSChannel.Options(firstTimeout: limit, isRecursive: isRecursive, answerSize: Self.answerSize)
    options.usesTCP = usesTCP
    guard let channel = try? DNSChannel(to: server, options) else { return .lackOfResources }
    var reply: DNSReply?
    channel.ask(name, type) { reply = $0 }
    while true {
      if let reply { return reply }
      channel.wait()
    }
  }
}
