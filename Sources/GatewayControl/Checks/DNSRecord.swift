import CResolver
import DNSZones

/// A record in a DNS message.
struct DNSRecord: Hashable {
  /// The numbers of RFC 1035, section 4.1, as the C library counts them.
  enum Section: CInt {
    case answer = 1
    case authority = 2
  }

  /// In lower case, without a dot at its end.
  let owner: String
  /// An address, or a name like `owner`.
  let value: String
  let type: DNSRecordType

  /// The records of the types that are known, up to where the message is malformed.
  static func all(in section: Section, of message: [UInt8]) -> [DNSRecord] {
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
