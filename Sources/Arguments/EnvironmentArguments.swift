import Glibc

/// Flags that are given by environment variables: `--acme-email` by `GATEWAY_ACME_EMAIL`, and so on.
///
/// The variables become arguments, so that their values are checked, and complained about, like any other. A flag on
/// the command line goes before its variable; an empty variable counts as none.
public struct EnvironmentArguments: Sendable {
  public enum Flag: Sendable {
    /// Takes one value.
    case option(String)
    /// Takes several values, each with a flag of its own; the variable holds them separated by spaces or commas.
    case list(String)
    /// Takes none; the variable must be `1` or `true` to set it, `0` or `false` not to.
    case toggle(String)

    public var name: String {
      switch self {
      case .option(let name), .list(let name), .toggle(let name): name
      }
    }

    /// The environment variable's name.
    public var variable: String { "GATEWAY_" + name.uppercased().map { $0 == "-" ? "_" : String($0) }.joined() }
  }

  private let flags: [Flag]

  public init(_ flags: [Flag]) {
    self.flags = flags
  }

  /// The arguments, after those that the environment adds to them: what follows a `--` is no place for flags.
  public func adding(to arguments: [String]) -> [String] {
    flags.flatMap { flag -> [String] in
      let name = "--\(flag.name)"
      let isGiven = arguments.contains { $0 == name || $0.hasPrefix("\(name)=") }
      guard !isGiven, let value = getenv(flag.variable).map({ String(cString: $0) }), !value.isEmpty else {
        return []
      }
      switch flag {
      case .option: return ["\(name)=\(value)"]
      case .list: return value.split { $0 == " " || $0 == "," }.map { "\(name)=\($0)" }
      case .toggle:
        switch value {
        case "1", "true": return [name]
        case "0", "false": return []
        // Refused by the parser, with the flag's name.
        default: return ["\(name)=\(value)"]
        }
      }
    } + arguments
  }
}
