import Arguments
import Glibc
import Relay
import System

@main
enum Main {
  static func main() async {
    let arguments = CommandLineText.joiningNegativeNumbers(Array(CommandLine.arguments.dropFirst()))
    do {
      let command = try TunnelCommand.parse(arguments)
      try await command.run()
    } catch  where TunnelCommand.exitCode(for: error).isSuccess {
      print(TunnelCommand.fullMessage(for: error))
    } catch  where TunnelCommand.exitCode(for: error) == .validationFailure {
      StandardError.print(
        "gateway-tunnel: \(CommandLineText.complaint(error, of: TunnelCommand.self, arguments: arguments))")
      exit(EX_USAGE)
    } catch let error as TunnelClient.Refused {
      StandardError.print("gateway-tunnel: \("\(error)".escaped)")
      exit(TunnelCommand.refused)
    } catch {
      StandardError.print("gateway-tunnel: \("\(error)".escaped)")
      exit(EXIT_FAILURE)
    }
  }
}
