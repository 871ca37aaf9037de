/// One line of a scrape that counts a service's bytes or requests.
struct Sample {
  enum Quantity {
    /// Bytes.
    case request
    /// Bytes.
    case response
    /// Requests that began.
    case requests
  }

  let quantity: Quantity
  /// Where in the line the value of the label `service` stands.
  let service: Range<Int>
  /// Whether that has escapes.
  let isServiceEscaped: Bool
  /// Finite and not negative.
  let value: Double

  /// `nil` for a line of another series, one that names no service, and one that breaks the format.
  ///
  /// - Parameter line: without the newline.
  init?(_ line: Span<UInt8>) {
    var index = line.skippingBlanks(from: 0)
    if let end = line.end(of: "traefik_service_requests_bytes_total", at: index) {
      quantity = .request
      index = end
    } else if let end = line.end(of: "traefik_service_responses_bytes_total", at: index) {
      quantity = .response
      index = end
    } else if let end = line.end(of: "traefik_service_requests_tls_total", at: index) {
      quantity = .requests
      index = end
    } else {
      return nil
    }

    index = line.skippingBlanks(from: index)
    guard line.has("{", at: index) else { return nil }
    index += 1
    var service: (range: Range<Int>, isEscaped: Bool)?
    while true {
      index = line.skippingBlanks(from: index)
      if line.has("}", at: index) { break }
      guard let label = SampleLabel(line, at: index) else { return nil }
      if line.end(of: "service", at: label.name.lowerBound) == label.name.upperBound {
        service = (label.value, label.isEscaped)
      }
      index = line.skippingBlanks(from: label.end)
      if line.has(",", at: index) {
        index += 1
      } else if !line.has("}", at: index) {
        return nil
      }
    }
    guard let service else { return nil }
    (self.service, isServiceEscaped) = service

    let valueStart = line.skippingBlanks(from: index + 1)
    let valueEnd = line.skippingWord(from: valueStart)
    guard let value = Double(decimal: line.extracting(valueStart..<valueEnd)), value.isFinite, value >= 0,
      line.isTimestampOrNothing(from: valueEnd)
    else { return nil }
    self.value = value
  }

  /// `name="value"`
  private struct SampleLabel {
    let name: Range<Int>
    let value: Range<Int>
    let isEscaped: Bool
    /// Behind the closing quote.
    let end: Int

    init?(_ line: Span<UInt8>, at start: Int) {
      var index = start
      while index < line.count, line[index].isLabelNameByte { index += 1 }
      name = start..<index
      index = line.skippingBlanks(from: index)
      guard !name.isEmpty, line.has("=", at: index) else { return nil }
      index = line.skippingBlanks(from: index + 1)
      guard line.has("\"", at: index) else { return nil }
      index += 1
      let valueStart = index
      var isEscaped = false
      while index < line.count, line[index] != UInt8(ascii: "\"") {
        if line[index] == UInt8(ascii: "\\") {
          isEscaped = true
          index += 1
        }
        index += 1
      }
      guard index < line.count else { return nil }
      value = valueStart..<index
      self.isEscaped = isEscaped
      end = index + 1
    }
  }
}

extension Span<UInt8> {
  fileprivate func has(_ character: Unicode.Scalar, at index: Int) -> Bool {
    index < count && self[index] == UInt8(ascii: character)
  }

  /// The index behind `text` if that stands at `index`.
  fileprivate func end(of text: StaticString, at index: Int) -> Int? {
    hasText(text, at: index) ? index + text.utf8CodeUnitCount : nil
  }

  fileprivate func skippingBlanks(from start: Int) -> Int {
    var index = start
    while index < count, self[index].isBlank { index += 1 }
    return index
  }

  fileprivate func skippingWord(from start: Int) -> Int {
    var index = start
    while index < count, !self[index].isBlank { index += 1 }
    return index
  }

  /// Whether nothing but a timestamp, in milliseconds and maybe negative, comes after `start`.
  fileprivate func isTimestampOrNothing(from start: Int) -> Bool {
    var index = skippingBlanks(from: start)
    guard index < count else { return true }
    if has("-", at: index) { index += 1 }
    let digits = index
    while index < count, self[index].isDigit { index += 1 }
    return index > digits && skippingBlanks(from: index) == count
  }
}

extension UInt8 {
  fileprivate var isBlank: Bool { self == UInt8(ascii: " ") || self == UInt8(ascii: "\t") }

  var isDigit: Bool { self &- UInt8(ascii: "0") < 10 }

  fileprivate var isLabelNameByte: Bool {
    isDigit || self == UInt8(ascii: "_") || (self | 0x20) &- UInt8(ascii: "a") < 26
  }
}
