import Foundation
import System
import TestSupport
import Testing

@testable import ACMEHook

/// What goes wrong on a machine that nobody looks at.
@Suite(.timeLimit(.minutes(5)))
struct FaultTests {
  @Test func presentingAndCleaningUpTwiceIsLikeOnce() async throws {
    try await Node.with { node in
      try await node.present("one")
      let servers = node.servers
      try await node.present("one")
      #expect(node.servers == servers, "it was restarted for nothing")
      #expect(try await node.values() == ["one"])
      try await node.cleanUp("one")
      try await node.cleanUp("one")
      #expect(try await node.isSilent())
    }
  }

  @Test func twentyHooksAtOnceDoNotLoseEachOthersRecords() async throws {
    try await Node.with { node in
      let values = (0..<20).map { "value-\($0)" }
      try await withThrowingTaskGroup { group in
        for value in values {
          group.addTask {
            try await node.present(value)
            // Its own is answered when its hook ends, whatever the others do meanwhile.
            let seen = try await eventually {
              try await node.values()
            } until: {
              !$0.isEmpty
            }
            #expect(seen.contains(value))
          }
        }
        try await group.waitForAll()
      }
      #expect(try await node.values() == Set(values))
      #expect(node.servers.count == 1)
      try await withThrowingTaskGroup { group in
        for value in values.dropFirst() { group.addTask { try await node.cleanUp(value) } }
        try await group.waitForAll()
      }
      #expect(try await node.values() == [values[0]])
      try await node.cleanUp(values[0])
      #expect(try await node.isSilent())
    }
  }

  @Test(arguments: [SIGKILL, SIGSTOP, SIGTERM])
  func serverThatWasKilledOrHangsIsReplacedByTheNextHook(signal: Int32) async throws {
    try await Node.with { node in
      try await node.present("one")
      try await node.present("two")
      try await stop(node, signal)
      try await node.present("three")
      #expect(try await node.values() == ["one", "two", "three"])
      try await stop(node, signal)
      try await node.cleanUp("one")
      #expect(try await node.values() == ["two", "three"])
      #expect(node.servers.count == 1)
    }
  }

  private func stop(_ node: Node, _ signal: Int32) async throws {
    let pid = try #require(node.servers.first)
    kill(pid, signal)
    if signal != SIGSTOP { try await eventually { node.servers.isEmpty } }
  }

  /// dnsmasq serves a TCP connection in a child, which keeps the port when its parent is killed.
  @Test func whatAKilledServerLeftOnThePortIsRemoved() async throws {
    try await Node.with { node in
      try await node.present("one")
      let server = try #require(node.servers.first)
      let client = try await connect(to: node)
      defer { close(client) }
      let child = try #require(
        try await eventually {
          node.servers.first { $0 != server }
        } until: {
          $0 != nil
        })
      kill(server, SIGKILL)
      try await eventually { node.servers == [child] }
      try await node.present("two")
      #expect(try await node.values() == ["one", "two"])
      #expect(!node.servers.contains(child))
    }
  }

  private func connect(to node: Node) async throws -> CInt {
    let target = SocketAddress(try .init(node.address), port: node.port)
    let client = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    guard target.withPointer({ Foundation.connect(client, $0, $1) }) == 0 else { throw FixtureError("cannot connect") }
    return client
  }

  @Test(arguments: [SOCK_DGRAM, SOCK_STREAM], ["its own", "every"])
  func portThatIsTakenIsAnErrorThatSaysByWhom(type: __socket_type, address: String) async throws {
    // Everybody's port 53 would be in the way of the other tests.
    let port = try FreePort.next()
    try await Node.with { node in
      let zone = ChallengeZone(
        domain: try .init(Node.domain), addresses: [try .init(node.address)], port: port)
      try zone.install(in: node.root)
      let listener = """
        import socket
        s = socket.socket(socket.AF_INET, socket.\(type == SOCK_DGRAM ? "SOCK_DGRAM" : "SOCK_STREAM"))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("\(address == "every" ? "0.0.0.0" : node.address)", \(port)))
        \(type == SOCK_DGRAM ? "pass" : "s.listen()")
        print("ready", flush=True)
        import time; time.sleep(600)
        """
      try await ChildProcess.withProcess("python3", ["-c", listener], log: node.directory.file("listener.log")) {
        other in
        _ = try await other.line { $0 == "ready" }
        let outcome = try await node.hook("present", Node.name, "one")
        #expect(outcome.status == .code(1))
        #expect(
          outcome.standardError
            == "acme-hook: port \(port) of \(node.address) is taken by python3 (pid \(other.pid))\n")
        #expect(try node.pending().isEmpty)
        #expect(node.servers.isEmpty)
        #expect(other.exitStatus == nil)
      }
    }
  }

  @Test func failedChallengeTakesNoOtherWithIt() async throws {
    try await Node.with { node in
      try await node.present("one")
      // The server will not start with this address, and has to again without the new challenge.
      try node.install(addresses: ["192.0.2.77"])
      let outcome = try await node.hook("present", Node.name, "two")
      #expect(outcome.status == .code(1))
      #expect(
        outcome.standardError
          == "acme-hook: none of the node's public addresses is one of this machine's: 192.0.2.77\n")
      #expect(try node.pending() == ["_acme-challenge.\(Node.domain) one"])
      #expect(try await node.values() == ["one"])
    }
  }

  @Test func addressThatIsNotThisMachinesKeepsTheOthersFromNothing() async throws {
    try await Node.with(others: ["192.0.2.77"]) { node in
      let outcome = try await node.hook("present", Node.name, "one")
      #expect(outcome.status == .code(0))
      #expect(
        outcome.standardError
          == "acme-hook: not one of this machine's addresses, and not listened on: 192.0.2.77\n")
      #expect(try await node.values() == ["one"])
    }
  }

  @Test func serverThatDoesNotAnswerIsAnErrorAfterFiveSeconds() async throws {
    try await Node.with { node in
      let programs = try node.directory.directory("bin")
      try node.directory.write("#!/bin/sh\nexec sleep 600\n", to: "bin/dnsmasq")
      chmod("\(programs)/dnsmasq", 0o755)
      let start = ContinuousClock.now
      let outcome = try await node.hook("present", Node.name, "one", path: "\(programs):/usr/bin:/bin")
      #expect(ContinuousClock.now - start >= .seconds(5))
      #expect(outcome.status == .code(1))
      #expect(
        outcome.standardError.hasPrefix("acme-hook: port \(node.port) of \(node.address) does not answer for")
          && outcome.standardError.split(separator: "\n").count == 1, "\(outcome)")
      #expect(try node.pending().isEmpty)
      // Nothing is left of it.
      try await node.present("two")
      #expect(try await node.values() == ["two"])
    }
  }

  @Test func serverThatEndsAtOnceIsAnErrorWithItsLastWords() async throws {
    try await Node.with { node in
      let programs = try node.directory.directory("bin")
      try node.directory.write("#!/bin/sh\necho 'dnsmasq: no such luck' >&2\nexit 3\n", to: "bin/dnsmasq")
      chmod("\(programs)/dnsmasq", 0o755)
      let outcome = try await node.hook("present", Node.name, "one", path: "\(programs):/usr/bin:/bin")
      #expect(outcome.status == .code(1))
      #expect(outcome.standardError == "acme-hook: dnsmasq ended with status 3: no such luck\n")
      #expect(try node.pending().isEmpty)
    }
  }

  @Test(arguments: ["boot x\nchallenge 17", "\0\0\0\0\0\0\0\0", "", "boot "])
  func halfWrittenStateCountsAsNoneAndIsReported(text: String) async throws {
    try await Node.with { node in
      try await node.present("one")
      try node.directory.write(text, to: "acme/challenges")
      let outcome = try await node.hook("present", Node.name, "two")
      #expect(outcome.status == .code(0))
      #expect(
        outcome.standardError.hasPrefix("acme-hook: \(node.root.acme)/challenges: line")
          && outcome.standardError.hasSuffix("the pending challenges are forgotten\n"), "\(outcome)")
      #expect(try await node.values() == ["two"])
    }
  }

  /// What a machine finds when it comes up again: the files, and none of the processes.
  @Test func challengesFromBeforeARestartOfTheMachineAreForgotten() async throws {
    try await Node.with { node in
      try await node.present("one")
      for server in node.servers { kill(server, SIGKILL) }
      try await eventually { node.servers.isEmpty }
      let file = "acme/challenges"
      let state = try String(contentsOfFile: node.directory.file(file), encoding: .utf8)
      let boot = BootClock.bootID
      #expect(state.hasPrefix("boot \(boot)\n") && boot.count == 36)
      try node.directory.write(state.replacing(boot, with: "00000000-0000-0000-0000-000000000000"), to: file)
      try await node.present("two")
      #expect(try await node.values() == ["two"])
      try await node.cleanUp("two")
      #expect(try await node.isSilent())
    }
  }

  /// Nothing on disk says which process the server is; so a number in a file cannot lead to another's end.
  @Test func processOfSomebodyElseIsNeitherTrustedNorEnded() async throws {
    try await Node.with { node in
      try await Node.with { neighbour in
        try await neighbour.present("theirs")
        try await ChildProcess.withProcess("sleep", ["600"], log: node.directory.file("sleep.log")) { innocent in
          for name in ["dnsmasq.pid", "pid", "dnsmasq.log"] {
            try node.directory.write("\(innocent.pid)\n", to: "acme/\(name)")
          }
          try await node.present("one")
          #expect(try await node.values() == ["one"])
          try await node.cleanUp("one")
          #expect(innocent.exitStatus == nil)
        }
        #expect(try await neighbour.values() == ["theirs"])
      }
    }
  }

  /// Whenever a hook is killed, the next one finds its way, and there is one server.
  @Test(arguments: Array(stride(from: 0, through: 90, by: 6)))
  func hookThatWasKilledIsInNobodysWay(milliseconds: Int) async throws {
    try await Node.with { node in
      try await node.present("one")
      let outcome = try await Command.run(
        "timeout",
        [
          "--signal=KILL", "0.\(milliseconds < 10 ? "00" : "0")\(milliseconds)", Repository.product("acme-hook"),
          "present", Node.name, "two",
        ], environment: ["GATEWAY_ROOT": node.root.path])
      try await node.present("three")
      let values = try await node.values()
      #expect(values.isSuperset(of: outcome.status == .code(0) ? ["one", "two", "three"] : ["one", "three"]))
      #expect(node.servers.count == 1)
      for value in ["one", "two", "three"] { try await node.cleanUp(value) }
      #expect(node.servers.isEmpty)
      #expect(try await node.isSilent())
    }
  }

  /// An ACME client reads the hook's output to its end before it goes on.
  @Test func serverDoesNotHoldTheHooksOutput() async throws {
    try await Node.with { node in
      let hook = try Repository.product("acme-hook")
      let outcome = try await Command.run(
        "sh", ["-c", "'\(hook)' present \(Node.name) one 2>&1 | cat"], environment: ["GATEWAY_ROOT": node.root.path])
      #expect(outcome.status == .code(0))
      #expect(try await node.values() == ["one"])
      let pid = try #require(node.servers.first)
      #expect(getsid(pid) == pid)
    }
  }

  @Test func stateIsPrivate() async throws {
    try await Node.with { node in
      try await node.present("one")
      #expect(try mode(node.root.acme) == 0o700)
      let names = try FileManager.default.contentsOfDirectory(atPath: node.root.acme)
      #expect(Set(names) == ["challenges", "dnsmasq.conf", "dnsmasq.log", "lock", "zone"])
      for name in names { #expect(try mode("\(node.root.acme)/\(name)") == 0o600, "\(name)") }
    }
  }
}
