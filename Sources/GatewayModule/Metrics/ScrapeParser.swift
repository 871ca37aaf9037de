import Glibc

/// Finds each workload's bytes and requests in the metrics that Traefik writes, as they come in.
///
/// Reads Prometheus' text format, version 0.0.4. Of all series only `traefik_service_requests_bytes_total`,
/// `traefik_service_responses_bytes_total` and `traefik_service_requests_tls_total` count, and of those the ones whose
/// label `service` reads `<workload>@file` or `<workload>~http@file`; one workload's series (codes, methods, protocols) are
/// added up.
/// `process_start_time_seconds` tells one Traefik from the next. A line that breaks the format, is longer than
/// ``longestLine`` or has a value that is no finite number from 0 upwards counts for nothing.
///
/// Memory grows with the number of workloads, not with that of lines, and no `String` is made before the end.
public struct ScrapeParser: Sendable {
  /// In bytes, without the newline.
  public static let longestLine = 64 * 1024

  /// The beginning of a line whose end has not come yet.
  private var partial: [UInt8] = []
  /// Whether that line is already known to be too long.
  private var isSkipping = false
  private var services = ServiceTable()
  private var started: Double?

  public init() {}

  /// Takes the next bytes, wherever they are cut.
  public mutating func consume(_ chunk: UnsafeRawBufferPointer) {
    var rest = chunk.bindMemory(to: UInt8.self).span
    while let length = rest.distanceToNewline {
      let piece = rest.extracting(first: length)
      if isSkipping {
        isSkipping = false
      } else if partial.isEmpty {
        Self.count(piece, in: &services, &started)
      } else {
        keep(piece)
        finishPartial()
      }
      rest = rest.extracting(droppingFirst: length + 1)
    }
    keep(rest)
  }

  /// What was counted. A last line without a newline may be cut short, so it counts for nothing.
  public func finish() -> Traffic {
    var traffic = services.traffic
    traffic.started = started
    return traffic
  }

  private mutating func keep(_ piece: Span<UInt8>) {
    guard !isSkipping else { return }
    guard partial.count + piece.count <= Self.longestLine else {
      isSkipping = true
      partial.removeAll(keepingCapacity: true)
      return
    }
    piece.withUnsafeBufferPointer { partial.append(contentsOf: $0) }
  }

  /// Counts the line that `partial` holds, whose memory the next one gets.
  private mutating func finishPartial() {
    var line: [UInt8] = []
    swap(&line, &partial)
    Self.count(line.span, in: &services, &started)
    line.removeAll(keepingCapacity: true)
    swap(&line, &partial)
    isSkipping = false
  }

  private static func count(_ line: Span<UInt8>, in services: inout ServiceTable, _ started: inout Double?) {
    guard line.count <= longestLine else { return }
    guard let sample = Sample(line) else {
      if line.hasText(Self.start, at: 0) {
        let value = Double(decimal: line.extracting(droppingFirst: Self.start.utf8CodeUnitCount))
        started = value.flatMap { $0.isFinite ? $0 : nil }
      }
      return
    }
    if sample.isServiceEscaped {
      guard let service = unescaped(line.extracting(sample.service)) else { return }
      services.add(sample.value, to: sample.quantity, service: service.span)
    } else {
      services.add(sample.value, to: sample.quantity, service: line.extracting(sample.service))
    }
  }

  private static let start: StaticString = "process_start_time_seconds "

  /// A label's value without its escapes; `nil` when one of them is none of the format's. Traefik's names have none, so this
  /// may allocate.
  private static func unescaped(_ text: Span<UInt8>) -> [UInt8]? {
    var result: [UInt8] = []
    var index = 0
    while index < text.count {
      if text[index] == UInt8(ascii: "\\") {
        index += 1
        switch index < text.count ? text[index] : 0 {
        case UInt8(ascii: "\\"): result.append(UInt8(ascii: "\\"))
        case UInt8(ascii: "\""): result.append(UInt8(ascii: "\""))
        case UInt8(ascii: "n"): result.append(UInt8(ascii: "\n"))
        default: return nil
        }
      } else {
        result.append(text[index])
      }
      index += 1
    }
    return result
  }
}

extension Span<UInt8> {
  fileprivate var distanceToNewline: Int? {
    withUnsafeBytes { bytes in
      guard let start = bytes.baseAddress, let newline = memchr(start, CInt(UInt8(ascii: "\n")), bytes.count) else {
        return nil
      }
      return UnsafeRawPointer(newline) - start
    }
  }
}
