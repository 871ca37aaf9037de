import Foundation
import System
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct NetworkNamespaceTests {
  @Test(arguments: ["", ".", "..", "a/b", "/", "a\0b", String(repeating: "a", count: 256)])
  func aNameIsAFileName(_ name: String) {
    let error = #expect(throws: NetworkNamespaceError.self) { try NetworkNamespace(name) }
    #expect(error?.reason == .invalidName)
    #expect(error?.description.contains(String(reflecting: name)) == true)
  }

  @Test(arguments: ["ndmz", "a", "...", ".a", "-a", "a b", String(repeating: "a", count: 255)])
  func everyOtherFileNameWillDo(_ name: String) throws {
    #expect(try NetworkNamespace(name).name == name)
  }

  @Test(arguments: [AF_INET, AF_INET6], [SOCK_STREAM, SOCK_DGRAM])
  func aSocketIsOpenedInTheNamespaceAndTheCallerStaysOutside(_ domain: Int32, _ type: __socket_type) async throws {
    try await TemporaryNetworkNamespace.withNamespace { name in
      let inside = try Self.inode("/var/run/netns/\(name)")
      let outside = try Self.inode("/proc/thread-self/ns/net")
      try #require(inside != outside)

      let socket = try NetworkNamespace(name).socket(domain: domain, type: type)
      defer { close(socket) }
      #expect(try Self.inode(ofNamespaceOf: socket) == inside)
      #expect(fcntl(socket, F_GETFD) & FD_CLOEXEC != 0)

      let own = try NetworkNamespace.socketHere(domain: domain, type: type)
      defer { close(own) }
      #expect(try Self.inode(ofNamespaceOf: own) == outside)
      #expect(try Self.inode("/proc/thread-self/ns/net") == outside)
      for thread in try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task") {
        // A thread may have ended since it was listed.
        guard let namespace = try? Self.inode("/proc/self/task/\(thread)/ns/net") else { continue }
        #expect(namespace != inside)
      }
    }
  }

  @Test func aMissingNamespaceIsNamed() throws {
    let name = "gateway-test-\(UUID().uuidString)"
    let error = #expect(throws: NetworkNamespaceError.self) {
      try NetworkNamespace(name).socket(domain: AF_INET, type: SOCK_STREAM)
    }
    #expect(error?.description == "no network namespace \(name): /var/run/netns/\(name) does not exist")
  }

  @Test func aFileThatIsNoNamespaceIsNamed() async throws {
    // Makes /var/run/netns if this machine never had a namespace.
    try await TemporaryNetworkNamespace.withNamespace { other in
      let name = "\(other)-file"
      try #require(FileManager.default.createFile(atPath: "/var/run/netns/\(name)", contents: nil))
      defer { unlink("/var/run/netns/\(name)") }
      let error = #expect(throws: NetworkNamespaceError.self) {
        try NetworkNamespace(name).socket(domain: AF_INET, type: SOCK_STREAM)
      }
      #expect(error?.description == "/var/run/netns/\(name) is no network namespace")
    }
  }

  @Test(arguments: [
    (SystemError("open", code: EACCES), "no permission to enter the network namespace edge: it takes CAP_SYS_ADMIN"),
    (SystemError("setns", code: EPERM), "no permission to enter the network namespace edge: it takes CAP_SYS_ADMIN"),
    (SystemError("socket", code: EMFILE), "network namespace edge: socket: Too many open files"),
  ])
  func aFailureSaysWhatWasTried(_ cause: SystemError, _ text: String) {
    #expect(NetworkNamespaceError(name: "edge", cause).description == text)
  }

  private static func inode(_ path: String) throws -> ino_t {
    var status = stat()
    guard stat(path, &status) == 0 else { throw SystemError("stat") }
    return status.st_ino
  }

  private static func inode(ofNamespaceOf socket: Int32) throws -> ino_t {
    // SIOCGSKNS, see ioctl_ns(2): a descriptor of the namespace that a socket is in.
    let namespace = ioctl(socket, 0x894c)
    try #require(namespace >= 0)
    defer { close(namespace) }
    var status = stat()
    try #require(fstat(namespace, &status) == 0)
    return status.st_ino
  }
}
