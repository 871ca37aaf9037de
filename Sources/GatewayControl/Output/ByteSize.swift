/// A number of bytes for people, in binary units (IEC 80000-13): `512 B`, `1.5 KiB`, `23 MiB`.
public struct ByteSize: Hashable, Sendable, CustomStringConvertible {
  private static let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]

  public let bytes: Double

  /// - Parameter bytes: what is below 0 or no number counts as 0.
  public init(_ bytes: Double) {
    self.bytes = bytes > 0 ? bytes : 0
  }

  /// At most four digits; one of them after the point where there is one before it.
  public var description: String {
    var value = bytes
    var unit = 0
    // What would be shown as 1024 is one of the next unit.
    while value.rounded() >= 1024, unit < Self.units.count - 1 {
      value /= 1024
      unit += 1
    }
    guard unit > 0, (value * 10).rounded() < 100 else {
      return (Int64(exactly: value.rounded()).map(String.init) ?? "\(value)") + " " + Self.units[unit]
    }
    let tenths = Int((value * 10).rounded())
    return "\(tenths / 10).\(tenths % 10) \(Self.units[unit])"
  }
}
