import Records
import System
import Testing

@testable import Relay

@Suite(.timeLimit(.minutes(3)))
struct RelayStateTests {
  @Test func readsWhatItWrites() throws {
    let pipe = try Pipe(
      workload: WorkloadID("37-pipe"), listener: Pipe.Listener(endpoint: Endpoint("[::]:12000"), network: nil),
      target: Pipe.Target("db.example.org:5432"), targetNetwork: nil)
    let counters = StreamCounters()
    counters.received.add(7, ordering: .relaxed)
    counters.sent.add(.max >> 1, ordering: .relaxed)
    let place = counters.streams.take()
    let reason = #"no, "that" is \ not\nthere}, 1"#.replacing(#"\n"#, with: "\n")
    let text = RelayState.metrics(
      tunnels: [],
      pipes: [
        PipeServer.State(
          pipe: pipe, isListening: true, counters: counters,
          problem: PipeServer.Problem(reason: reason, time: UTCTime.now))
      ],
      faults: [try WorkloadID("37-other"): "cannot listen"], connections: 3, root: "/var/lib/a \"b\"",
      start: UTCTime(seconds: 1_700_000_000, milliseconds: 7))
    let state = try RelayState(metrics: text)
    #expect(state.start == 1_700_000_000.007)
    #expect(state.root == "/var/lib/a \"b\"")
    #expect(state.tunnels.isEmpty)
    #expect(state.pipes["37-other"]?.fault == "cannot listen")
    let read = try #require(state.pipes["37-pipe"])
    #expect(read.isListening && read.fault == nil && read.problem?.reason == reason)
    #expect(read.traffic.received == 7 && read.traffic.sent == .max >> 1 && read.traffic.streams == 1)
    withExtendedLifetime(place) {}
  }

  @Test(arguments: [
    "gateway_relay_streams{tunnel=\"w\"} 18446744073709551615", "gateway_relay_streams{tunnel=\"w\"} -1",
    "gateway_relay_streams{tunnel=\"w\"}", "gateway_relay_streams{tunnel=\"w} 1", "gateway_relay_streams{tunnel=w} 1",
    "gateway_relay_streams{tunnel=\"w\\", "gateway_relay_session_start_time_seconds{tunnel=\"w\",version=\"1\"} 5", "x",
    "{",
  ])
  func refusesWhatNoRelayWrites(line: String) {
    #expect(throws: InvalidValue("metric of the relay", line, "it is not what a relay writes")) {
      try RelayState(metrics: line)
    }
  }
}
