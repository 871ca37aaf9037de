import ACMEHook
import ArgumentParser
import Arguments
import Glibc
import System

@main
enum Main {
  static func main() {
    // All that is made from here on is its owner's alone.
    umask(0o077)
    do {
      var command = try ACMEHookCommand.parseAsRoot(arguments)
      try command.run()
    } catch let error as InvalidChallenge {
      StandardError.print("acme-hook: \("\(error)".escaped)")
      exit(EX_USAGE)
    } catch  where ACMEHookCommand.exitCode(for: error).isSuccess {
      print(ACMEHookCommand.fullMessage(for: error))
    } catch  where ACMEHookCommand.exitCode(for: error) == .validationFailure {
      StandardError.print(
        "acme-hook: \(CommandLineText.complaint(error, of: ACMEHookCommand.self, arguments: arguments))")
      exit(EX_USAGE)
    } catch {
      StandardError.print("acme-hook: \("\(error)".escaped)")
      exit(EXIT_FAILURE)
    }
  }

  /// What the program was started with. One challenge in 64 has a value that starts with `-`, and clients hand it over
  /// as it is: the two last arguments are never flags, except where help is asked for.
  private static var arguments: [String] {
    var arguments = Array(CommandLine.arguments.dropFirst())
    guard let command = arguments.firstIndex(where: { ["present", "cleanup"].contains($0) }),
      arguments.count > command + 2, !["-h", "--help"].contains(arguments.last),
      !arguments.dropLast(2).contains("--")
    else { return arguments }
    arguments.insert("--", at: arguments.count - 2)
    return arguments
  }
}
