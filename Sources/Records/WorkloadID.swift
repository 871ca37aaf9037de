public import System

/// The name under which a workload publishes its one route: 1 to 128 of `A-Z a-z 0-9 . _ -`, not starting with `.` or `-`.
///
/// It becomes a file name, a Traefik router and a Traefik service, so nothing that has a meaning in a path (`/`, NUL, a leading
/// dot), on a command line (a leading `-`) or in a Traefik reference (`@`) passes. Upper and lower case differ.
public struct WorkloadID: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// As it was given.
  public let rawValue: String

  public var description: String { rawValue }

  /// The name of its route's file in `<root>/proxy`.
  package var fileName: String { "\(rawValue).yaml" }

  /// Reads a name; nothing in it is changed.
  ///
  /// - Throws: `InvalidValue` for no bytes, more than 128, another character, or a `.` or `-` at the start.
  public init(_ text: String) throws(InvalidValue) {
    let bytes = text.utf8
    guard let first = bytes.first else { throw InvalidValue("workload", text, "it is empty") }
    guard bytes.count <= 128 else { throw InvalidValue("workload", text, "it is longer than 128 bytes") }
    guard
      bytes.allSatisfy({ ASCII.isLetterOrDigit($0) || $0 == ASCII.dot || $0 == ASCII.underscore || $0 == ASCII.hyphen })
    else { throw InvalidValue("workload", text, "only letters, digits, '.', '_' and '-' may appear") }
    guard first != ASCII.dot, first != ASCII.hyphen else {
      throw InvalidValue("workload", text, "it must not start with '.' or '-'")
    }
    rawValue = text
  }

  public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}
