import CAres
package import System

/// The types of records that are asked for, by the numbers of RFC 1035 3.2.2, RFC 3596 2.1 and RFC 4034 5.
package enum DNSRecordType: CInt, Sendable {
  case a = 1
  case ns = 2
  case cname = 5
  case soa = 6
  case txt = 16
  case aaaa = 28
  case ds = 43
}

/// What came of a question to a DNS server.
package struct DNSReply: Sendable {
  package enum ReplyStatus: Hashable, Sendable {
    /// An answer with records.
    case records
    /// There is the name, and no record of the type.
    case noRecords
    /// NXDOMAIN.
    case noSuchName
    /// SERVFAIL.
    case serverFailure
    /// REFUSED.
    case refused
    /// FORMERR or NOTIMP.
    case rejected
    /// No answer in time.
    case silence
    /// The port is closed, or no route leads to it.
    case unreachable
    /// The channel was told to end.
    case cancelled
    /// This process lacks memory or descriptors.
    case outOfResources
    /// The answer is no valid DNS message.
    case malformed
  }

  package let outcome: ReplyStatus
  /// The outcome in c-ares' words.
  package let statusText: String
  /// The whole message; empty when none came.
  package let message: [UInt8]

  init(_ status: CInt, _ message: [UInt8]) {
    outcome = Self.outcome(status)
    statusText = String(cString: ares_strerror(status))
    self.message = message
  }

  static var lackOfResources: DNSReply { DNSReply(CARES_ENOMEM, []) }

  /// Whether a server answered: with records, that there are none, or that there is no such name.
  package var isAnswer: Bool { [.records, .noRecords, .noSuchName].contains(outcome) }

  /// The addresses in an answer with records of one of the two types, none in one without.
  ///
  /// - Throws: the outcome that there is in place of them.
  package func addresses(_ type: DNSRecordType) throws(ReplyStatus) -> [IPAddress] {
    if outcome == .noRecords { return [] }
    guard outcome == .records else { throw outcome }
    // A record takes at least 15 bytes, so there is room for all that a message can hold.
    let capacity = message.count / 15 + 1
    var count = CInt(capacity)
    let (status, addresses): (CInt, [IPAddress]) =
      if type == .a {
        withUnsafeTemporaryAllocation(of: ares_addrttl.self, capacity: capacity) { records in
          let status = ares_parse_a_reply(message, CInt(message.count), nil, records.baseAddress, &count)
          return (status, Self.addresses(status, records.prefix(Int(count))) { $0.ipaddr })
        }
      } else {
        withUnsafeTemporaryAllocation(of: ares_addr6ttl.self, capacity: capacity) { records in
          let status = ares_parse_aaaa_reply(message, CInt(message.count), nil, records.baseAddress, &count)
          return (status, Self.addresses(status, records.prefix(Int(count))) { $0.ip6addr })
        }
      }
    switch Self.outcome(status) {
    case .records: return addresses
    case .noRecords: return []
    case .outOfResources: throw .outOfResources
    default: throw .malformed
    }
  }

  private static func addresses<Record, Address>(
    _ status: CInt, _ records: Slice<UnsafeMutableBufferPointer<Record>>, _ address: (Record) -> Address
  ) -> [IPAddress] {
    guard status == CARES_SUCCESS else { return [] }
    return records.compactMap { record in withUnsafeBytes(of: address(record)) { IPAddress(bytes: $0) } }
  }

  /// The texts of the TXT records in an answer, one for each of their strings.
  ///
  /// - Returns: nil, and why in c-ares' words, when there is no answer with such records.
  package func texts() -> (values: Set<String>?, reason: String) {
    guard outcome == .records else { return (nil, statusText) }
    var first: UnsafeMutablePointer<ares_txt_reply>?
    let status = ares_parse_txt_reply(message, CInt(message.count), &first)
    guard status == CARES_SUCCESS else { return (nil, String(cString: ares_strerror(status))) }
    defer { ares_free_data(first) }
    var values: Set<String> = []
    var next = first
    while let record = next {
      values.insert(
        String(decoding: UnsafeBufferPointer(start: record.pointee.txt, count: record.pointee.length), as: UTF8.self))
      next = record.pointee.next
    }
    return (values, statusText)
  }

  private static func outcome(_ status: CInt) -> ReplyStatus {
    switch status {
    case CARES_SUCCESS: .records
    case CARES_ENODATA: .noRecords
    case CARES_ENOTFOUND: .noSuchName
    case CARES_ESERVFAIL: .serverFailure
    case CARES_EREFUSED: .refused
    case CARES_EFORMERR, CARES_ENOTIMP: .rejected
    case CARES_ETIMEOUT: .silence
    case CARES_ECONNREFUSED: .unreachable
    case CARES_ECANCELLED, CARES_EDESTRUCTION: .cancelled
    case CARES_ENOMEM, CARES_EFILE: .outOfResources
    default: .malformed
    }
  }
}

extension DNSReply.ReplyStatus: Error {}
