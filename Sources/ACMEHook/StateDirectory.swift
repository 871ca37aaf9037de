import Glibc
import Records
import System

/// `<root>/acme`: what a hook leaves for the next one. Only its owner can look into it.
struct StateDirectory: Sendable {
  let root: GatewayRoot

  var path: String { root.acme }
  /// Where to listen, and for which domain: written by the gateway.
  var zone: String { "\(path)/zone" }
  /// The challenges that are pending.
  var challenges: String { "\(path)/challenges" }
  /// Held by the hook whose turn it is.
  var lock: String { "\(path)/lock" }
  /// What the running server was started with.
  var configuration: String { "\(path)/dnsmasq.conf" }
  /// What the server says; held by it for as long as it runs.
  var log: String { "\(path)/dnsmasq.log" }

  /// Makes it when it is not there, and private when it is not.
  func prepare() throws(FileError) {
    try FileSystem.makeDirectory(path, mode: 0o700)
    try FileSystem.setMode(0o700, of: path)
  }

  /// Puts a whole file in the place of an old one, or none.
  func replace(_ file: String, with bytes: [UInt8]) throws(FileError) {
    try stage(bytes, for: file)
    try commit(file)
    try FileSystem.syncDirectory(path)
  }

  /// Writes what ``commit(_:)`` then puts in its place.
  func stage(_ bytes: [UInt8], for file: String) throws(FileError) {
    try FileSystem.write(bytes, to: "\(file).new", mode: 0o600)
  }

  func commit(_ file: String) throws(FileError) {
    try FileSystem.rename("\(file).new", to: file, replacing: true)
  }
}
