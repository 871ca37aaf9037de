import Glibc

/// A network namespace that cannot be named so, or cannot be entered.
public struct NetworkNamespaceError: Error, Equatable, CustomStringConvertible {
  public enum Reason: Equatable, Sendable {
    case invalidName
    /// There is none of this name.
    case missing
    /// Entering one takes CAP_SYS_ADMIN.
    case notPermitted
    /// The file of this name is something else.
    case notANamespace
    case system(SystemError)
  }

  public let name: String
  public let reason: Reason

  package init(name: String, reason: Reason) {
    self.name = name
    self.reason = reason
  }

  package init(name: String, _ error: SystemError) {
    self.name = name
    reason =
      switch (error.call, error.code) {
      case ("open", ENOENT): .missing
      case ("open", EACCES), ("setns", EPERM): .notPermitted
      case ("setns", EINVAL): .notANamespace
      default: .system(error)
      }
  }

  public var description: String {
    switch reason {
    case .invalidName:
      "invalid network namespace \(String(reflecting: name)): it must be a file name of 1 to 255 bytes"
    case .missing: "no network namespace \(name): /var/run/netns/\(name) does not exist"
    case .notPermitted: "no permission to enter the network namespace \(name): it takes CAP_SYS_ADMIN"
    case .notANamespace: "/var/run/netns/\(name) is no network namespace"
    case .system(let error): "network namespace \(name): \(error)"
    }
  }
}
