import Logging
import System

/// A log event as the bytes of one line.
///
/// Nothing in an event can end the line, add a second one or steer a terminal: control characters and the other characters
/// that somebody may take for a line's end are escaped wherever they stand.
struct LogLine {
  let time: UTCTime
  let level: Logger.Level
  let message: String
  let metadata: Logger.Metadata

  /// The line in UTF-8 with its newline. Metadata comes in the order of its keys.
  func bytes(as format: LogFormat) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(256)
    switch format {
    case .text: appendText(to: &bytes)
    case .json: appendJSON(to: &bytes)
    }
    bytes.append(UInt8(ascii: "\n"))
    return bytes
  }

  private func appendText(to bytes: inout [UInt8]) {
    time.append(to: &bytes)
    bytes.append(" \(level.rawValue) ")
    bytes.append(escaping: message, quotesToo: false)
    for (key, value) in fields(reserved: []) {
      bytes.append(" \(key)=")
      let text = Self.text(value)
      if text.isEmpty || text.unicodeScalars.contains(where: Self.needsQuotes) {
        bytes.append(quoting: text)
      } else {
        bytes.append(text)
      }
    }
  }

  private func appendJSON(to bytes: inout [UInt8]) {
    bytes.append("{\"time\":\"")
    time.append(to: &bytes)
    bytes.append("\",\"level\":\"\(level.rawValue)\",\"message\":")
    bytes.append(quoting: message)
    for (key, value) in fields(reserved: ["time", "level", "message"]) {
      bytes.append(",\"\(key)\":")
      Self.appendJSON(value, to: &bytes)
    }
    bytes.append("}")
  }

  /// The metadata under names of letters, digits, `.`, `-` and `_`, each there once and none of them reserved.
  private func fields(reserved: Set<String>) -> [(String, Logger.Metadata.Value)] {
    var taken = reserved
    return metadata.sorted { $0.key < $1.key }.map { key, value in
      var name = String(key.unicodeScalars.map { Self.belongsInName($0) ? Character($0) : "_" })
      while name.isEmpty || !taken.insert(name).inserted { name += "_" }
      return (name, value)
    }
  }

  private static func belongsInName(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "a"..."z", "A"..."Z", "0"..."9", ".", "-", "_": true
    default: false
    }
  }

  private static func needsQuotes(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case " ", "=", "\"", "\\": true
    default: scalar.properties.isWhitespace || scalar.endsLineOrSteersTerminal
    }
  }

  private static func text(_ value: Logger.Metadata.Value) -> String {
    switch value {
    case .string(let text): text
    case .stringConvertible(let value): value.description
    case .array(let values): "[\(values.map(text).joined(separator: ","))]"
    case .dictionary(let values):
      "{\(values.sorted { $0.key < $1.key }.map { "\($0.key)=\(text($0.value))" }.joined(separator: ","))}"
    }
  }

  /// Numbers and truth values stay what they are; everything else that is no array or dictionary becomes a string.
  private static func appendJSON(_ value: Logger.Metadata.Value, to bytes: inout [UInt8]) {
    switch value {
    case .string(let text): bytes.append(quoting: text)
    case .stringConvertible(let value as any BinaryInteger & CustomStringConvertible): bytes.append(value.description)
    case .stringConvertible(let value as Double) where value.isFinite: bytes.append(value.description)
    case .stringConvertible(let value as Bool): bytes.append(value.description)
    case .stringConvertible(let value): bytes.append(quoting: value.description)
    case .array(let values):
      bytes.append("[")
      for (index, value) in values.enumerated() {
        if index > 0 { bytes.append(",") }
        appendJSON(value, to: &bytes)
      }
      bytes.append("]")
    case .dictionary(let values):
      bytes.append("{")
      for (index, (key, value)) in values.sorted(by: { $0.key < $1.key }).enumerated() {
        if index > 0 { bytes.append(",") }
        bytes.append(quoting: key)
        bytes.append(":")
        appendJSON(value, to: &bytes)
      }
      bytes.append("}")
    }
  }
}

extension [UInt8] {
  fileprivate mutating func append(_ text: String) {
    append(contentsOf: text.utf8)
  }

  /// Appends a JSON string (RFC 8259 7).
  fileprivate mutating func append(quoting text: String) {
    append(UInt8(ascii: "\""))
    append(escaping: text, quotesToo: true)
    append(UInt8(ascii: "\""))
  }

  /// Appends `text` with JSON's escapes.
  fileprivate mutating func append(escaping text: String, quotesToo: Bool) {
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\n": append("\\n")
      case "\r": append("\\r")
      case "\t": append("\\t")
      case "\"" where quotesToo, "\\" where quotesToo: append("\\\(scalar)")
      case _ where scalar.endsLineOrSteersTerminal:
        let digits = String(scalar.value, radix: 16)
        append("\\u\(String(repeating: "0", count: 4 - digits.count))\(digits)")
      default: append(contentsOf: UTF8.encode(scalar)!)
      }
    }
  }
}

extension Unicode.Scalar {
  /// C0, DEL, C1, and Unicode's line and paragraph separators.
  fileprivate var endsLineOrSteersTerminal: Bool {
    switch value {
    case 0...0x1f, 0x7f...0x9f, 0x2028, 0x2029: true
    default: false
    }
  }
}
