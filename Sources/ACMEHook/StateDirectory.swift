import Glibc
import Records
import System

/// `<root>/acme`: what a hook leaves for the next one. Only its owner can look into it.
struct StateDirectory: Sendable {
  let root: GatewayRoot

  var path: String { root.acme }
  /// The challenges that are pending.
  var challenges: String { "\(path)/challenges" }
  /// Held by the hook whose turn it is.
  var lock: String { "\(path)/lock" }
  /// What the running server was started with.
  var configuration: String { "\(path)/dnsmasq.conf" }
  /// What the server says; held by it for as long as it runs.
  var log: String { "\(path)/dnsmasq.log" }

  /// Writes what ``commit(_:)`` then puts in its place.
  func stage(_ bytes: [UInt8], for file: String) throws(FileError) {
    try FileSystem.write(bytes, to: "\(file).new", mode: 0o600)
  }

  func commit(_ file: String) throws(FileError) {
    try FileSystem.rename("\(file).new", to: file, replacing: true)
  }
}
