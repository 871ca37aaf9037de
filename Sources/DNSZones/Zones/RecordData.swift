import System

/// What a record says: the data of its type, as on the wire. Names in it are in lower case.
struct RecordData: Hashable, Sendable, Comparable {
  let bytes: [UInt8]

  /// - Parameters:
  ///   - value: in presentation format (RFC 1035, 5.1; RFC 9460, 2.1), in one line. A name in it is a whole one, with or without
  ///     a dot at its end.
  /// - Throws: `InvalidValue`, with the words of knotd's own scanner.
  init(_ value: String, type: RecordType) throws(InvalidValue) {
    func refuse(_ rule: String) -> InvalidValue { InvalidValue("\(type) value", value, rule) }
    guard !value.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) else {
      throw refuse("control characters, line ends among them, are written as \\DDD")
    }
    guard !value.isEmpty else { throw refuse("it is empty") }
    guard value.utf8.count <= 1 << 16 else { throw refuse("it is longer than 65,536 bytes") }
    do throws(ZoneText.ScanFault) {
      let records = try ZoneText.records(of: ". 3600 IN \(type) \(value)\n")
      guard records.count == 1, records[0].type == type.code else {
        throw ZoneText.ScanFault(line: 1, reason: "not one record")
      }
      bytes = Self.canonical(records[0].data, type: type)
    } catch {
      throw refuse(error.reason)
    }
  }

  /// - Parameter wire: as it is scanned.
  init(wire: [UInt8], type: RecordType?) {
    bytes = type.map { Self.canonical(wire, type: $0) } ?? wire
  }

  /// RFC 4034, 6.2: whatever the case that a name was written in, it is the same record.
  private static func canonical(_ data: [UInt8], type: RecordType) -> [UInt8] {
    guard var index = type.placeOfName else { return data }
    var data = data
    while index < data.count, data[index] > 0 {
      let end = min(index + 1 + Int(data[index]), data.count)
      for place in (index + 1)..<end { data[place] = ASCII.lowercased(data[place]) }
      index = end
    }
    return data
  }

  /// As unknown data is written (RFC 3597, 5), in which nothing of what a user gave can mean anything else.
  var generic: String {
    let digits = Array("0123456789abcdef".utf8)
    var text = Array("\\# \(bytes.count) ".utf8)
    text.reserveCapacity(text.count + 2 * bytes.count)
    for byte in bytes {
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// The strings of a TXT record (RFC 1035, 3.3.14), one behind the other.
  var text: [UInt8] {
    var (text, index): ([UInt8], Int) = ([], 0)
    while index < bytes.count {
      let end = min(index + 1 + Int(bytes[index]), bytes.count)
      text += bytes[(index + 1)..<end]
      index = end
    }
    return text
  }

  static func < (a: Self, b: Self) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }
}
