import ACMEHook
import ArgumentParser
import Glibc
import Records
import System

/// The program that an ACME client runs for DNS-01 challenges.
struct ACMEHookCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "acme-hook",
    abstract: "Answers DNS-01 challenges on this node's port 53, for as long as they are pending.",
    discussion: """
      Traefik and lego run it by the name in EXEC_PATH. It serves the node's domain and public addresses, as the gateway has \
      put them into DIR/acme. The process ends with status 64 for bad arguments, with nothing changed, and 1 when the \
      challenge could not be answered.
      """,
    version: "acme-hook \(ProgramVersion.text)",
    subcommands: [Present.self, CleanUp.self, Timeout.self])

  func run() throws {
    throw ValidationError("one of present, cleanup and timeout is missing; see acme-hook --help")
  }

  struct Present: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "present", abstract: "Answers a challenge; ends once its record is served.")

    @OptionGroup var options: ChallengeOptions

    func run() throws {
      try options.responder.present(name: options.name, value: options.value)
    }
  }

  struct CleanUp: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "cleanup", abstract: "Ends a challenge; after the last one nothing listens any more.")

    @OptionGroup var options: ChallengeOptions

    func run() throws {
      try options.responder.cleanUp(name: options.name, value: options.value)
    }
  }

  struct Timeout: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "timeout", abstract: "Prints how long to look for a challenge's record, and how often, in seconds.",
      discussion: """
        For clients built on old versions of lego, which ask for it. Newer ones, Traefik's among them, take \
        EXEC_PROPAGATION_TIMEOUT and EXEC_POLLING_INTERVAL from their environment instead.
        """)

    func run() {
      print(#"{"timeout": 60, "interval": 2}"#)
    }
  }
}

/// What `present` and `cleanup` take.
struct ChallengeOptions: ParsableArguments {
  @Option(help: .init("The gateway's directory; also given by GATEWAY_ROOT.", valueName: "dir"))
  var root = getenv("GATEWAY_ROOT").map { String(cString: $0) } ?? GatewayRoot.standardPath

  @Argument(help: .init("The record's name: _acme-challenge.DOMAIN.", valueName: "fqdn"))
  var name: String

  @Argument(help: .init("The record's text: 1 to 255 letters, digits, '-' and '_'.", valueName: "value"))
  var value: String

  func validate() throws {
    guard root.hasPrefix("/") else { throw ValidationError("the root must be an absolute path, not '\(root)'") }
  }

  var responder: Responder {
    Responder(root: GatewayRoot(root)) { StandardError.print("acme-hook: \($0)") }
  }
}
