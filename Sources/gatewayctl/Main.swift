import ArgumentParser
import Arguments
import GatewayControl
import GatewayModule
import Glibc
import RPC
import System

@main
enum Main {
  /// Whether nobody said anything, neither yes nor no.
  private static func isSilence(_ error: any Error) -> Bool {
    if case .unreachable? = (error as? BrokerError)?.reason { return true }
    return [.noAnswer, .notSent].contains((error as? CallFailure)?.code)
  }

  static func main() async {
    let given = CommandLineText.joiningNegativeNumbers(Array(CommandLine.arguments.dropFirst()))
    let hidden = DefaultsFile.apply("GATEWAY_BROKER")
    let arguments = EnvironmentArguments([.option("broker")]).adding(to: given)
    do {
      var command = try GatewayCtl.parseAsRoot(BusOptions.movedBehindSubcommand(arguments))
      if var command = command as? any GatewayCtlCommand {
        try await command.run()
      } else {
        try command.run()
      }
    } catch  where GatewayCtl.exitCode(for: error).isSuccess {
      print(GatewayCtl.fullMessage(for: error))
    } catch let code as ExitCode {
      // All was said.
      exit(code.rawValue)
    } catch let closed as OutputClosed where closed.code == EPIPE {
      // As if the signal had ended it, as it does with other programs.
      exit(128 + SIGPIPE)
    } catch  where error is NotServing || error is NotAnswered {
      StandardError.print("gatewayctl: \("\(error)".escaped)")
      exit(EX_TEMPFAIL)
    } catch  where GatewayCtl.exitCode(for: error) == .validationFailure {
      StandardError.print("gatewayctl: \(CommandLineText.complaint(error, of: GatewayCtl.self, arguments: given))")
      exit(EX_USAGE)
    } catch {
      StandardError.print("gatewayctl: \("\(error)".escaped)")
      // Then the one that was asked may not have been the one that was meant.
      if isSilence(error), !hidden.isEmpty, !arguments.contains(where: { $0.hasPrefix("--broker") }) {
        StandardError.print(
          "gatewayctl: the broker may be set in \(hidden.joined(separator: " ")), which this user may not read: --broker names one"
        )
      }
      exit(isSilence(error) ? EX_UNAVAILABLE : EXIT_FAILURE)
    }
  }
}
