import Glibc

extension Span<UInt8> {
  func hasSameBytes(as other: Span<UInt8>) -> Bool {
    guard count == other.count else { return false }
    guard count > 0 else { return true }
    return withUnsafeBytes { mine in
      other.withUnsafeBytes { memcmp(mine.baseAddress!, $0.baseAddress!, mine.count) == 0 }
    }
  }

  /// Whether `text`, which is ASCII and not empty, stands at `index`.
  func hasText(_ text: StaticString, at index: Int) -> Bool {
    let length = text.utf8CodeUnitCount
    guard index >= 0, count - index >= length else { return false }
    return withUnsafeBytes { memcmp($0.baseAddress! + index, text.utf8Start, length) == 0 }
  }
}
