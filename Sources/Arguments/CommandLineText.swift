package import ArgumentParser
import FoundationEssentials
import System

/// What all programs do with their arguments beyond what the parser does, and how they complain of them.
package enum CommandLineText {
  /// The arguments with each negative number attached to the option before it, which the parser would take for an option.
  package static func joiningNegativeNumbers(_ arguments: [String]) -> [String] {
    var joined: [String] = []
    var isOver = false
    for argument in arguments {
      if !isOver, let last = joined.last, last.hasPrefix("--"), last.count > 2, !last.contains("="),
        argument.hasPrefix("-"), Double(argument) != nil
      {
        joined[joined.count - 1] = "\(last)=\(argument)"
      } else {
        joined.append(argument)
      }
      if argument == "--" { isOver = true }
    }
    return joined
  }

  /// One line on what is wrong with the arguments: with the option or subcommand that was probably meant, and with everything
  /// escaped that a terminal or a log would stumble over.
  package static func complaint<Command: ParsableCommand>(
    _ error: any Error, of command: Command.Type, arguments: [String]
  ) -> String {
    let message = command.message(for: error)
    let words = Words(of: command)
    let isPlain = !arguments.contains("--")
    // What stands where the subcommand should.
    if !words.subcommands.isEmpty, let first = arguments.first(where: { !$0.hasPrefix("-") }), isPlain,
      words.subcommands[first] == nil, let nearest = NearestWord.to(first, in: Array(words.subcommands.keys))
    {
      return "Unexpected argument '\(first)'. Did you mean '\(nearest)'?".escaped
    }
    let (start, end) = ("Unknown option '", "'. Did you mean '")
    guard message.hasPrefix(start) else { return message.escaped }
    var option = String(message.dropFirst(start.count))
    // The parser's own guess is near to the length of a word.
    if let guess = option.ranges(of: end).last { option = String(option[..<guess.lowerBound]) + "'" }
    if option.hasSuffix("'") { option.removeLast() }
    let subcommand = arguments.lazy.compactMap { words.subcommands[$0] }.first
    let nearest = NearestWord.to(option, in: (subcommand ?? words.options).map { "--\($0)" })
    return ("Unknown option '\(option)'" + (nearest.map { ". Did you mean '\($0)'?" } ?? "")).escaped
  }

  /// The names that a program knows, as its own definition for generators has them.
  private struct Words {
    /// Without their hyphens.
    var options: [String] = []
    /// Subcommands and their options.
    var subcommands: [String: [String]] = [:]

    private struct CommandDefinition: Decodable {
      struct Command: Decodable {
        struct Argument: Decodable {
          struct OptionName: Decodable {
            let kind: String
            let name: String
          }

          let names: [OptionName]?
          let shouldDisplay: Bool?
        }

        let commandName: String
        let subcommands: [Command]?
        let arguments: [Argument]?

        var options: [String] {
          (arguments ?? []).filter { $0.shouldDisplay != false }.flatMap { $0.names ?? [] }.filter { $0.kind == "long" }
            .map(\.name)
        }
      }

      let command: Command
    }

    init<Command: ParsableCommand>(of command: Command.Type) {
      var text = ""
      do {
        _ = try command.parseAsRoot(["--experimental-dump-help"])
      } catch {
        text = command.fullMessage(for: error)
      }
      guard let definition = try? JSONDecoder().decode(CommandDefinition.self, from: Data(text.utf8)) else { return }
      options = definition.command.options
      for subcommand in definition.command.subcommands ?? [] {
        subcommands[subcommand.commandName] = subcommand.options
      }
    }
  }
}
