import Foundation
import Glibc
import ProxyConfig
import Synchronization
import System
import TestSupport
import Testing

@testable import GatewayModule

/// What the kernel tells of TCP sockets.
@Suite(.timeLimit(.minutes(5))) struct SocketDiagnosticsTests {
  /// A server that prints its port and one client of its own for each line of input, in which the client sends a number of
  /// bytes, the server answers with another, and one of them ends the connection: `SIZE ANSWER fin|reset`.
  private static let program = """
    import socket, struct, sys
    family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
    server = socket.create_server((sys.argv[1], 0), family=family)
    print("port", server.getsockname()[1], flush=True)
    def take(connection, count):
        while count:
            count -= len(connection.recv(count))
    for line in sys.stdin:
        size, answer, end = line.split()
        client = socket.create_connection(server.getsockname()[:2])
        peer, _ = server.accept()
        client.sendall(b"x" * int(size))
        take(peer, int(size))
        peer.sendall(b"y" * int(answer))
        take(client, int(answer))
        if end == "open":
            print("open", flush=True)
            sys.stdin.readline()
        if end == "reset":
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        if end != "reset":
            assert client.recv(1) == b""
        client.close()
        print("done", flush=True)
    """

  /// Runs `body` with the server's endpoint and what gives it a line.
  private func withServer(
    _ address: String,
    _ body: (_ server: ChildProcess, _ endpoint: Endpoint, _ line: (String) throws -> Void) async throws
      -> Void
  ) async throws {
    try await TemporaryDirectory.withDirectory { directory in
      let pipe = Pipe()
      try await ChildProcess.withProcess(
        Repository.program("python3"), ["-c", Self.program, address],
        standardInput: pipe.fileHandleForReading.fileDescriptor, log: directory.file("server.log")
      ) { server in
        let port = try await server.line { $0.hasPrefix("port ") }.dropFirst(5)
        let host = address.contains(":") ? "[\(address)]" : address
        try await body(server, Endpoint("\(host):\(port)")) {
          try pipe.fileHandleForWriting.write(contentsOf: Data("\($0)\n".utf8))
        }
      }
    }
  }

  /// How a connection goes, and what of the answer is counted.
  @Test(
    "A connection that ends is told of with the bytes it carried",
    arguments: ["127.0.0.1", "::1"],
    [
      (0, 0, "fin", 0), (1, 0, "fin", 0), (7, 5, "fin", 5), (0, 9, "fin", 9),
      (300_000, 2_000_000, "fin", 2_000_000), (7, 5, "reset", 4),
    ])
  func closed(_ address: String, _ connection: (size: Int, answer: Int, end: String, counted: Int)) async throws {
    try await withServer(address) { _, endpoint, line in
      let seen = Mutex<[ByteCount]>([])
      let subscription = try await ClosedSockets.follow(SocketDiagnostics(namespace: nil)) { socket in
        if socket.remote == endpoint { seen.withLock { $0.append(socket.bytes) } }
      }
      for _ in 0..<3 { try line("\(connection.size) \(connection.answer) \(connection.end)") }
      let bytes = try await eventually {
        seen.withLock { $0 }
      } until: {
        $0.count >= 3
      }
      let expected = ByteCount(request: Double(connection.size), response: Double(connection.counted))
      #expect(bytes == Array(repeating: expected, count: 3))
      #expect(subscription.isCurrent && subscription.drops == 0)
    }
  }

  @Test(arguments: ["127.0.0.1", "::1"])
  func anOpenConnectionIsSeen(_ address: String) async throws {
    try await withServer(address) { server, endpoint, line in
      let diagnostics = SocketDiagnostics(namespace: nil)
      try line("1000 70000 open")
      _ = try await server.line { $0 == "open" }
      // What was sent is counted at once, what was received when it arrived, which the server has seen.
      let found = try diagnostics.openSockets { $0.remote == endpoint }
      #expect(found.map(\.bytes) == [ByteCount(request: 1000, response: 70000)])
      try line("")
      _ = try await server.line { $0 == "done" }
      #expect(try diagnostics.openSockets { $0.remote == endpoint } == [])
    }
  }

  @Test(.enabled(if: TemporaryNetworkNamespace.isPermitted, "making a network namespace takes root"))
  func eachNamespaceHasSocketsOfItsOwn() async throws {
    try await TemporaryNetworkNamespace.withNamespace { name in
      let inside = SocketDiagnostics(namespace: try NetworkNamespace(name))
      let outside = SocketDiagnostics(namespace: nil)
      let seen = Mutex<[TCPSocket]>([])
      let subscription = try await ClosedSockets.follow(inside) { socket in seen.withLock { $0.append(socket) } }
      try await TemporaryNetworkNamespace.inside(name) {
        try await withServer("127.0.0.1") { server, endpoint, line in
          try line("1 2 open")
          _ = try await server.line { $0 == "open" }
          #expect(try inside.openSockets { $0.remote == endpoint }.count == 1)
          #expect(try outside.openSockets { $0.remote == endpoint }.isEmpty)
          try line("")
          let bytes = try await eventually {
            seen.withLock { $0.filter { $0.remote == endpoint }.map(\.bytes) }
          } until: {
            !$0.isEmpty
          }
          #expect(bytes == [ByteCount(request: 1, response: 2)])
          #expect(subscription.isCurrent)
        }
      }

      // Another one of the same name.
      try await Command.succeed("ip", ["netns", "delete", name])
      #expect(!subscription.isCurrent)
      try await Command.succeed("ip", ["netns", "add", name])
      #expect(!subscription.isCurrent)
      let next = try await ClosedSockets.follow(inside) { _ in }
      #expect(next.isCurrent)
    }
  }

  @Test func aMissingNamespaceIsAnError() async throws {
    let namespace = try NetworkNamespace("gateway-test-\(UUID().uuidString)")
    let expected = NetworkNamespaceError(name: namespace.name, reason: .missing)
    await #expect(throws: expected) {
      try await ClosedSockets.follow(SocketDiagnostics(namespace: namespace)) { _ in }
    }
    #expect(throws: expected) { try SocketDiagnostics(namespace: namespace).openSockets { _ in true } }
  }

  @Test func whatThereIsNoRoomForIsCounted() async throws {
    try await withServer("127.0.0.1") { server, _, line in
      // Nobody reads it.
      let subscription = try SocketDiagnostics(namespace: nil, bufferSize: 4096).subscribe()
      defer { close(subscription) }
      #expect(SocketDiagnostics.drops(of: subscription) == 0)
      for _ in 0..<200 { try line("1 1 fin") }
      try await eventually { SocketDiagnostics.drops(of: subscription) > 0 }
    }
  }
}
