import Glibc
import System

/// What the package's units start the gateway with, so that a program that is started by hand agrees with it: files of
/// environment variables, `NAME=VALUE` a line (systemd.exec(5), EnvironmentFile=).
public enum DefaultsFile {
  /// What anybody may know; and, read after it, the gateway's own, where a password may be.
  public static let paths = ["/etc/default/gateway-client", "/etc/default/gateway"]

  /// Sets a variable that is not set, or is empty, to what the files say, the last one that says anything.
  ///
  /// - Returns: the files that there are and that may not be read.
  @discardableResult
  public static func apply(_ variable: String, from paths: [String] = paths) -> [String] {
    guard (getenv(variable).map { String(cString: $0) } ?? "").isEmpty else { return [] }
    var hidden: [String] = []
    for path in paths {
      do throws(FileError) {
        let text = String(decoding: try FileSystem.read(path, limit: 1 << 20).bytes, as: UTF8.self)
        if let value = value(of: variable, in: text) { setenv(variable, value, 1) }
      } catch {
        if error.code == EACCES { hidden.append(path) }
      }
    }
    return hidden
  }

  /// The last value of a variable; nil when there is none.
  static func value(of variable: String, in text: String) -> String? {
    var value: String?
    for line in text.split(whereSeparator: \.isNewline) {
      let line = line.drop(while: \.isWhitespace)
      guard line.first != "#", line.first != ";", let equals = line.firstIndex(of: "="), line[..<equals] == variable
      else {
        continue
      }
      var rest = line[line.index(after: equals)...].drop(while: \.isWhitespace)
      while rest.last?.isWhitespace == true { rest.removeLast() }
      for quote in ["\"", "'"] where rest.count >= 2 && rest.hasPrefix(quote) && rest.hasSuffix(quote) {
        rest = rest.dropFirst().dropLast()
        break
      }
      value = String(rest)
    }
    return value
  }
}
