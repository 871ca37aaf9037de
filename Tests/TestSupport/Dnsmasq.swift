import Foundation
import Synchronization

/// A resolver on a port of the loopback that knows what a test tells it, and answers NXDOMAIN for all the rest.
public final class Dnsmasq: Fixture {
  /// What the resolver knows.
  public enum Record: Sendable, Hashable {
    /// An A or AAAA record.
    case address(String, String)
    /// A CNAME record. Its target must be known too.
    case alias(String, to: String)
    /// A name, and all below it, for which the answer is SERVFAIL.
    case failing(String)
    /// A name, and all below it, for which no answer comes.
    case silent(String)
    /// A name, and all below it, of which the server on port 53 of an address is asked.
    case delegated(String, to: String)
  }

  public let port: UInt16
  /// As the flag `--resolver` takes it.
  public var address: String { "127.0.0.1:\(port)" }

  private let directory: TemporaryDirectory
  private let failing: Upstream
  private let silent: Upstream
  private let process: Mutex<ChildProcess>

  /// Starts a resolver, runs `body` with it and stops it.
  @discardableResult
  public static func withServer<Result>(
    _ records: [Record] = [], isolation: isolated (any Actor)? = #isolation,
    _ body: (Dnsmasq) async throws -> Result
  ) async throws -> Result {
    try await TemporaryDirectory.withDirectory { directory in
      let server = try Dnsmasq(records, in: directory)
      return try await using(server) { server in
        try await server.answers()
        return try await body(server)
      }
    }
  }

  private init(_ records: [Record], in directory: TemporaryDirectory) throws {
    self.directory = directory
    port = try FreePort.next()
    failing = try Upstream(answers: true)
    silent = try Upstream(answers: false)
    process = try Mutex(
      Self.launch(records, port: port, failing: failing, silent: silent, log: directory.file("dnsmasq.log")))
  }

  private static func launch(
    _ records: [Record], port: UInt16, failing: Upstream, silent: Upstream, log: String
  ) throws -> ChildProcess {
    // Root stays root: the kernel forgets to kill a child that changes its user or group.
    var arguments = [
      "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--group=root", "--pid-file=", "--no-resolv",
      "--no-hosts",
      "--listen-address=127.0.0.1", "--bind-interfaces", "--port=\(port)", "--cache-size=0", "--local=/#/",
      "--log-facility=-", "--log-queries",
    ]
    arguments += records.map { record in
      switch record {
      case .address(let name, let address): "--host-record=\(name),\(address)"
      case .alias(let name, let target): "--cname=\(name),\(target)"
      case .failing(let name): "--server=/\(name)/127.0.0.1#\(failing.port)"
      case .silent(let name): "--server=/\(name)/127.0.0.1#\(silent.port)"
      case .delegated(let name, let server): "--server=/\(name)/\(server)"
      }
    }
    return try ChildProcess(Repository.program("dnsmasq"), arguments, log: log)
  }

  /// Makes it know `records` and nothing else. It is not there for a moment, and then again at the same port.
  public func know(_ records: [Record]) async throws {
    await stop()
    try FileManager.default.removeItem(atPath: directory.file("dnsmasq.log"))
    try process.withLock {
      $0 = try Self.launch(
        records, port: port, failing: failing, silent: silent, log: directory.file("dnsmasq.log"))
    }
    try await answers()
  }

  /// Every question and answer since it last learned its records, as dnsmasq logs them.
  public var output: String { process.withLock { $0.output } }

  /// Ends it before its time; nobody listens on its port then.
  public func stop() async {
    await process.withLock { $0 }.stop()
  }

  private func answers() async throws {
    _ = try await process.withLock { $0 }.line { $0.contains("started, version") }
  }
}

/// A server that dnsmasq asks: it answers every question with SERVFAIL (RFC 1035, section 4.1.1), or none.
private final class Upstream: Sendable {
  let port: UInt16
  // Dispatch's objects may be used from any thread; its Swift types do not say so on Linux.
  private nonisolated(unsafe) let questions: any DispatchSourceRead

  init(answers: Bool) throws {
    let socket = socket(AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutableBytes(of: &address) { bytes in
      let address = bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self)
      return bind(socket, address, length) == 0 && getsockname(socket, address, &length) == 0
    }
    guard bound else {
      close(socket)
      throw FixtureError("cannot bind a socket: \(String(cString: strerror(errno)))")
    }
    port = UInt16(bigEndian: address.sin_port)
    questions = DispatchSource.makeReadSource(fileDescriptor: socket)
    questions.setEventHandler { Self.takeQuestion(from: socket, answering: answers) }
    questions.setCancelHandler { close(socket) }
    questions.activate()
  }

  deinit {
    questions.cancel()
  }

  private static func takeQuestion(from socket: Int32, answering: Bool) {
    var message = [UInt8](repeating: 0, count: 4096)
    var sender = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    withUnsafeMutableBytes(of: &sender) { bytes in
      let sender = bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self)
      let count = recvfrom(socket, &message, message.count, 0, sender, &length)
      guard answering, count >= 12 else { return }
      message[2] |= 0x80  // it is a response
      message[3] = message[3] & 0xf0 | 2  // SERVFAIL
      sendto(socket, message, count, 0, sender, length)
    }
  }
}
