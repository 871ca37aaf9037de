import Records
import System
import Testing

@testable import Relay

@Suite(.timeLimit(.minutes(3)))
struct PipeRecordTests {
  private static let workload = try! WorkloadID("37-pipe")

  private func network(_ name: String) throws -> Pipe.Network {
    Pipe.Network(name: name, namespace: try NetworkNamespace("m-7Kqhn3vLcwbS9"))
  }

  @Test(arguments: ["10.1.2.3:22", "[2001:db8::1]:22", "db.example.org:5432", "tunnel:37-home"])
  func readsWhatItWrites(target: String) throws {
    let target = try Pipe.Target(target)
    let isTunnel = if case .tunnel = target { true } else { false }
    for (here, there) in [(false, false), (true, false), (false, true), (true, true)] where !(isTunnel && there) {
      let pipe = try Pipe(
        workload: Self.workload,
        listener: Pipe.Listener(endpoint: Endpoint("0.0.0.0:12000"), network: here ? network("yes") : nil),
        target: target,
        targetNetwork: there ? network("production") : nil)
      let bytes = pipe.encoded()
      #expect(try Pipe(file: bytes.span, of: Self.workload) == pipe, "\(String(decoding: bytes, as: UTF8.self))")
    }
  }

  @Test(arguments: [
    ("", "it is empty"),
    ("listen: {address: 0.0.0.0:1}", #"line 1: "remote" is missing"#),
    (
      "listen: {address: 0.0.0.0:0}\nremote: {address: 10.1.2.3:1}",
      #"line 1: invalid address "0.0.0.0:0": the port must be a number from 1 to 65535"#
    ),
    (
      "listen: {address: 0.0.0.0:1}\nremote: {address: nowhere}",
      #"line 2: invalid remote "nowhere": it must be HOST:PORT, with a port from 1 to 65535, or tunnel:WORKLOAD"#
    ),
    ("listen: {address: 0.0.0.0:1, network: lab}\nremote: {address: 10.1.2.3:1}", "line 1: a network has a namespace"),
    (
      "listen: {address: 0.0.0.0:1}\nremote: {address: 'tunnel:37-home', network: lab, namespace: m}",
      #"line 1: invalid remote network "lab": a tunnel is in no network"#
    ),
    (
      "listen: {address: 0.0.0.0:1}\nremote: {address: 10.1.2.3:1, network: lab, namespace: a/b}",
      #"line 2: invalid network namespace "a/b": it must be a file name of 1 to 255 bytes"#
    ),
    ("listen: {address: 0.0.0.0:1}\nremote: {address: 10.1.2.3:1}\nmore: 1", #"line 3: "more" is not known here"#),
  ])
  func refusesWhatIsNoPipe(text: String, reason: String) {
    let bytes = Array(text.utf8)
    let error = #expect(throws: FileMismatch.self) { try Pipe(file: bytes.span, of: Self.workload) }
    #expect(error?.description == reason)
  }
}
