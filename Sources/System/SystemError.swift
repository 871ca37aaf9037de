public import Glibc

/// A system call that failed.
public struct SystemError: Error, Equatable, CustomStringConvertible {
  /// The call's name, such as `socket`.
  public let call: String

  /// Its `errno`.
  public let code: CInt

  public init(_ call: String, code: CInt = errno) {
    self.call = call
    self.code = code
  }

  public var description: String {
    "\(call): \(String(cString: strerror(code)))"
  }
}
