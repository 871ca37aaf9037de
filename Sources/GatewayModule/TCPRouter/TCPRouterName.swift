import Records
import System

/// The name of a service of tcprouter: the domain that it serves, or `CATCH_ALL` for whatever no other one does.
struct TCPRouterName: Hashable, Sendable {
  /// What stands before it in its key.
  static let keyPrefix = "/tcprouter/service/"
  static let catchAll = "CATCH_ALL"
  /// Of a domain, in bytes: with `tcprouter-` before it, it is a workload's.
  private static let longest = 118

  /// nil for `CATCH_ALL`.
  let domain: Domain?
  /// Who has its route, and its tunnel.
  let workload: WorkloadID

  /// - Parameter key: the whole key in Redis.
  /// - Throws: `InvalidValue` for what tcprouter would never look up, and a domain of more than 118 bytes.
  init(key: some Collection<UInt8>) throws(InvalidValue) {
    guard let text = String(validating: key, as: UTF8.self), text.hasPrefix(Self.keyPrefix) else {
      throw InvalidValue("the key is no service's")
    }
    try self.init(String(text.dropFirst(Self.keyPrefix.count)))
  }

  /// - Parameter workload: one that stands for a service.
  init(_ workload: WorkloadID) throws(InvalidValue) {
    guard workload.isOfTCPRouter else { throw InvalidValue("the workload is no service's") }
    try self.init(String(workload.rawValue.dropFirst(WorkloadID.tcprouterUser.count + 1)))
  }

  init(_ text: String) throws(InvalidValue) {
    domain = text == Self.catchAll ? nil : try Domain(text)
    guard domain.map({ $0.rawValue == text }) ?? true else {
      throw InvalidValue("domain", text, "in a key it is in lower case, without a dot at its end")
    }
    guard text.utf8.count <= Self.longest else {
      throw InvalidValue("domain", text, "that of a service has at most \(Self.longest) bytes")
    }
    workload = try WorkloadID("\(WorkloadID.tcprouterUser)-\(text)")
  }

  var key: [UInt8] { Array("\(Self.keyPrefix)\(domain?.rawValue ?? Self.catchAll)".utf8) }
}
