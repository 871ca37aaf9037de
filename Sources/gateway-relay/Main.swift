import Arguments
import Glibc
import System

@main
enum Main {
  static func main() async {
    let given = CommandLineText.joiningNegativeNumbers(Array(CommandLine.arguments.dropFirst()))
    let arguments = EnvironmentArguments(RelayCommand.environment).adding(to: given)
    do {
      let command = try RelayCommand.parse(arguments)
      try await command.run()
    } catch  where RelayCommand.exitCode(for: error).isSuccess {
      print(RelayCommand.fullMessage(for: error))
    } catch  where RelayCommand.exitCode(for: error) == .validationFailure {
      StandardError.print(
        "gateway-relay: \(CommandLineText.complaint(error, of: RelayCommand.self, arguments: given))")
      exit(EX_USAGE)
    } catch {
      StandardError.print("gateway-relay: \("\(error)".escaped)")
      exit(EXIT_FAILURE)
    }
  }
}
