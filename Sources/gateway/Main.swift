import Arguments
import GatewayModule
import Glibc
import System

@main
enum Main {
  static func main() async {
    let given = CommandLineText.joiningNegativeNumbers(Array(CommandLine.arguments.dropFirst()))
    DefaultsFile.apply("GATEWAY_BROKER")
    let arguments = EnvironmentArguments(GatewayCommand.environment).adding(to: given)
    do {
      let command = try GatewayCommand.parse(arguments)
      try await command.run()
    } catch  where GatewayCommand.exitCode(for: error).isSuccess {
      print(GatewayCommand.fullMessage(for: error))
    } catch  where GatewayCommand.exitCode(for: error) == .validationFailure {
      StandardError.print("gateway: \(CommandLineText.complaint(error, of: GatewayCommand.self, arguments: given))")
      exit(EX_USAGE)
    } catch {
      StandardError.print("gateway: \("\(error)".escaped)")
      exit(EXIT_FAILURE)
    }
  }
}
