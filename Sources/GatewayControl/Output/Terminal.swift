import Glibc

/// What a program's output goes to.
public struct Terminal: Hashable, Sendable {
  /// Whether somebody reads it while it is written.
  public let isInteractive: Bool
  /// In characters; at least 20.
  public let width: Int
  /// In lines; at least 5.
  public let height: Int
  /// Never on anything but a terminal, nor with `NO_COLOR` set (no-color.org).
  public let hasColour: Bool
  /// Whether more than ASCII can be shown.
  public let isUTF8: Bool

  public init(isInteractive: Bool, width: Int = 80, height: Int = 24, hasColour: Bool = false, isUTF8: Bool = true) {
    self.isInteractive = isInteractive
    self.width = max(width, 20)
    self.height = max(height, 5)
    self.hasColour = isInteractive && hasColour
    self.isUTF8 = isUTF8
  }

  /// Looks at a descriptor and the environment.
  public init(descriptor: CInt) {
    func variable(_ name: String) -> String? {
      getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }
    var size = winsize()
    let hasSize = ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 && size.ws_row > 0
    let locale = (variable("LC_ALL") ?? variable("LC_CTYPE") ?? variable("LANG") ?? "").lowercased()
    self.init(
      isInteractive: isatty(descriptor) == 1, width: hasSize ? Int(size.ws_col) : 80,
      height: hasSize ? Int(size.ws_row) : 24, hasColour: variable("NO_COLOR") == nil && variable("TERM") != "dumb",
      isUTF8: locale.contains("utf-8") || locale.contains("utf8"))
  }

  public static var standardOutput: Terminal { Terminal(descriptor: STDOUT_FILENO) }
  public static var standardError: Terminal { Terminal(descriptor: STDERR_FILENO) }

  public enum Colour: Int, Sendable {
    case red = 31
    case green = 32
    case yellow = 33
  }

  /// The text in a colour (ECMA-48, section 8.3.117), where there is any.
  public func coloured(_ text: String, _ colour: Colour) -> String {
    hasColour ? "\u{1b}[\(colour.rawValue)m\(text)\u{1b}[0m" : text
  }

  /// The text, or its beginning with a mark that there is more.
  public func cut(_ text: String, to width: Int) -> String {
    guard text.count > width else { return text }
    let mark = isUTF8 ? "…" : "~"
    return width > 0 ? text.prefix(width - 1) + mark : ""
  }
}
