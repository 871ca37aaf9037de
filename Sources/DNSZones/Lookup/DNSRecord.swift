import CResolver

/// A record in a DNS message.
package struct DNSRecord: Hashable, Sendable {
  /// The numbers of RFC 1035, section 4.1, as the C library counts them.
  package enum Section: CInt {
    case answer = 1
    case authority = 2
    case additional = 3
  }

  /// In lower case, without a dot at its end.
  package let owner: String
  /// An address, a name like `owner`, a serial, or the text of a DS record in lower case (RFC 4034, 5.3).
  package let value: String
  package let type: DNSRecordType

  package init(owner: String, value: String, type: DNSRecordType) {
    self.owner = owner
    self.value = value
    self.type = type
  }

  /// The records of the types that are known, up to where the message is malformed.
  package static func all(in section: Section, of message: [UInt8]) -> [DNSRecord] {
    var records: [DNSRecord] = []
    var owner = [CChar](repeating: 0, count: CRESOLVER_NAME)
    var value = owner
    for index in 0... {
      let type = cresolver_record(message, CInt(message.count), section.rawValue, CInt(index), &owner, &value)
      guard type > 0 else { break }
      if let type = DNSRecordType(rawValue: type) {
        records.append(DNSRecord(owner: name(owner), value: name(value), type: type))
      }
    }
    return records
  }

  private static func name(_ text: [CChar]) -> String {
    let name = String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self).lowercased()
    return name.hasSuffix(".") ? String(name.dropLast()) : name
  }
}
