import Glibc

/// Whom a server runs as that needs no rights.
package struct UnprivilegedUser: Hashable, Sendable {
  package let name: String
  package let group: String

  /// There is no such user, or its group has no name.
  package struct Missing: Error, Hashable, CustomStringConvertible {
    package var description: String { "there is no user 'nobody' with a group of its own to run a server as" }
  }

  package init(name: String, group: String) {
    self.name = name
    self.group = group
  }

  /// The user `nobody`, if this process is root, and so could do more than a server should.
  package static var forServer: UnprivilegedUser? {
    get throws(Missing) {
      guard geteuid() == 0 else { return nil }
      guard let user = getpwnam("nobody"), let group = getgrgid(user.pointee.pw_gid) else { throw Missing() }
      return UnprivilegedUser(
        name: String(cString: user.pointee.pw_name), group: String(cString: group.pointee.gr_name))
    }
  }
}
