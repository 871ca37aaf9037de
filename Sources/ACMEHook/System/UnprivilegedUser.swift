import Glibc

/// Whom a server runs as that needs no rights.
struct UnprivilegedUser: Hashable, Sendable {
  let name: String
  let group: String

  /// The user `nobody`, if this process is root, and so could do more than a server should.
  ///
  /// - Throws: when there is no such user, or its group has no name.
  static var forServer: UnprivilegedUser? {
    get throws(HookError) {
      guard geteuid() == 0 else { return nil }
      guard let user = getpwnam("nobody"), let group = getgrgid(user.pointee.pw_gid) else {
        throw HookError("there is no user 'nobody' with a group of its own to run dnsmasq as")
      }
      return UnprivilegedUser(
        name: String(cString: user.pointee.pw_name), group: String(cString: group.pointee.gr_name))
    }
  }
}
