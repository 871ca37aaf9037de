import Foundation
import Records
import System
import TestSupport
import Testing

@testable import GatewayControl

/// What `gatewayctl check` says of the files that Traefik keeps certificates in, where the gateway did not put them right.
@Suite(.timeLimit(.minutes(3)))
struct StorageCheckTests {
  /// Shell commands in the directory of a good storage and its copy, and what is said: outcome and a part of the finding.
  private static let states: [(command: String, said: [(Check.Verdict, String)])] = [
    (":", [(.ok, "are whole and private")]),
    ("rm acme.json.kept", [(.ok, "are whole and private")]),
    (": >acme2.json; chmod 600 acme2.json", [(.ok, "are whole and private")]),
    ("rm *", []),
    ("chmod 640 acme.json", [(.failure, "others may use $0/acme.json (mode 640), so Traefik will not")]),
    ("printf '{\"a\": {' >acme.json", [(.failure, "$0/acme.json is no whole JSON: Traefik would start without")]),
    (": >acme.json", [(.failure, "$0/acme.json is empty: Traefik would start without")]),
    ("rm acme.json", [(.failure, "$0/acme.json is gone: Traefik would start without")]),
    (
      "echo x >acme2.json; chmod 644 acme2.json",
      [
        (.failure, "others may use $0/acme2.json (mode 644), so Traefik will not"),
        (.failure, "$0/acme2.json is no whole JSON: Traefik would start without"),
      ]
    ),
    (
      "echo x >acme.json.damaged; touch -d 2026-01-02T03:04:05Z acme.json.damaged",
      [
        (
          .warning,
          "$0/acme.json was damaged, last written at 2026-01-02T03:04:05.000Z, and put aside as $0/acme.json.damaged"
        )
      ]
    ),
    ("cd ..; rm -r traefik; echo >traefik", [(.failure, "$0/acme.json.kept: Not a directory")]),
  ]

  @Test("What is said after", arguments: states.indices)
  func said(_ index: Int) async throws {
    let (command, said) = Self.states[index]
    try await TemporaryDirectory.withDirectory { directory in
      let root = GatewayRoot(directory.path)
      try root.prepare()
      for name in ["acme.json", "acme.json.kept"] {
        try directory.write(#"{"resolver": {"Certificates": null}}"#, to: "traefik/\(name)")
        chmod(directory.file("traefik/\(name)"), 0o600)
      }
      try await Command.succeed("sh", ["-ec", "cd $0; \(command)", root.traefik])
      for isServed in [true, false] {
        let checks = StorageCheck(root: root, isServed: isServed, patience: 0).check()
        #expect(checks.map(\.outcome) == said.map(\.0), "\(checks)")
        for (check, (outcome, finding)) in zip(checks, said) {
          #expect(check.name == "storage" && check.finding.contains(finding.replacing("$0", with: root.traefik)))
          #expect(check.remedy.isEmpty == (outcome == .ok))
          if outcome == .failure { #expect(check.remedy.contains("the gateway's log says why") == isServed) }
        }
      }
    }
  }
}
