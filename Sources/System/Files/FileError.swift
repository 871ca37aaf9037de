import Glibc

/// A file operation that failed, and on which path.
public struct FileError: Error, Hashable, Sendable, CustomStringConvertible {
  public let path: String
  /// The system call.
  public let call: String
  /// Its `errno`.
  public let code: CInt

  package init(_ path: String, _ call: String, _ code: CInt = errno) {
    self.path = path
    self.call = call
    self.code = code
  }

  public var description: String { "\(call) \(path): \(String(cString: strerror(code)))" }
}
