import Files
import GatewayModule
import Glibc

@main
enum Main {
  static func main() async {
    let arguments = EnvironmentArguments(GatewayCommand.environment).adding(
      to: Array(CommandLine.arguments.dropFirst()))
    do {
      let command = try GatewayCommand.parse(arguments)
      try await command.run()
    } catch  where GatewayCommand.exitCode(for: error).isSuccess {
      print(GatewayCommand.fullMessage(for: error))
    } catch  where GatewayCommand.exitCode(for: error) == .validationFailure {
      StandardError.print("gateway: \(GatewayCommand.message(for: error))")
      exit(EX_USAGE)
    } catch {
      StandardError.print("gateway: \(error)")
      exit(EXIT_FAILURE)
    }
  }
}
