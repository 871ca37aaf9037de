import CKnot

/// Text in the format of zone files (RFC 1035, 5), read by the scanner that knotd itself uses. Names without a dot at their end are
/// whole names all the same.
enum ZoneText {
  /// A record of any type.
  struct ScannedRecord {
    /// In wire format.
    let owner: [UInt8]
    let type: UInt16
    /// In seconds.
    let ttl: UInt32
    let data: [UInt8]
  }

  /// A fault in a text, in zscanner's words.
  struct ScanFault: Error {
    /// From 1.
    let line: Int
    let reason: String
  }

  /// The records of a text.
  static func records(of text: String) throws(ScanFault) -> [ScannedRecord] {
    final class Collector {
      var records: [ScannedRecord] = []
    }
    let collector = Collector()
    var text = text
    var line: UInt64 = 0
    let problem = text.withUTF8 { bytes in
      bytes.withMemoryRebound(to: CChar.self) { characters -> String? in
        guard let start = characters.baseAddress else { return nil }
        let problem = cknot_scan(start, characters.count, &line, Unmanaged.passUnretained(collector).toOpaque()) {
          context, record in
          let record = record.pointee
          Unmanaged<Collector>.fromOpaque(context!).takeUnretainedValue().records.append(
            ScannedRecord(
              owner: Array(UnsafeBufferPointer(start: record.owner, count: record.owner_length)), type: record.type,
              ttl: record.ttl, data: Array(UnsafeBufferPointer(start: record.data, count: record.data_length))))
        }
        return problem.map { String(cString: $0) }
      }
    }
    if let problem { throw ScanFault(line: Int(line), reason: problem) }
    return collector.records
  }

  /// A name in wire format as text in lower case without a dot at its end; what is no letter, digit, `-`, `_` or `*` as `\DDD`.
  static func name(_ wire: [UInt8]) -> String {
    var text = ""
    var index = 0
    while index < wire.count, wire[index] > 0 {
      let end = min(index + 1 + Int(wire[index]), wire.count)
      if index > 0 { text += "." }
      for byte in wire[(index + 1)..<end] {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
          UInt8(ascii: "_"), UInt8(ascii: "*"):
          text.unicodeScalars.append(Unicode.Scalar(byte))
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): text.unicodeScalars.append(Unicode.Scalar(byte | 0x20))
        default:
          let digits = String(byte)
          text += "\\" + String(repeating: "0", count: 3 - digits.count) + digits
        }
      }
      index = end
    }
    return text
  }
}
