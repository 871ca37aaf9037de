import ArgumentParser
import GatewayClient
import GatewayControl
import System

/// Zones and records.
struct DNSCommands: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dns", abstract: "Zones and records, which this node serves by Knot DNS.",
    subcommands: [SetZone.self, DeleteZone.self, SetRecords.self, DeleteRecords.self, Zones.self, ListRecords.self])

  struct SetZone: GatewayCtlCommand {
    static let configuration = CommandConfiguration(
      commandName: "set-zone",
      abstract: "Serves a domain that is delegated to this node, and prints what to enter at its parent.")

    @Argument(help: "The workload's identifier.") var workload: String
    @Argument(help: "The domain.") var domain: String
    @OptionGroup var waiting: LiveWaitOptions
    @OptionGroup var bus: BusOptions

    func run() async throws {
      let delegation = try await bus.withDNS { try await $0.setZone(ZoneRequest(domain: domain), for: workload) }
      let lines = delegation.nameservers.map { "\(domain) NS \($0)" } + delegation.ds.map { "\(domain) DS \($0)" }
      try StandardOutput.print(bus.json ? JSONText.pretty(delegation) : lines.joined(separator: "\n"))
      try await waiting.wait(forName: domain, bus)
    }
  }

  struct DeleteZone: GatewayCtlCommand {
    static let configuration = CommandConfiguration(
      commandName: "delete-zone", abstract: "Gives a domain back, with all records in it.")

    @Argument(help: "The workload's identifier.") var workload: String
    @OptionGroup var bus: BusOptions

    func run() async throws { try await bus.withDNS { try await $0.deleteZone(of: workload) } }
  }

  struct SetRecords: GatewayCtlCommand {
    static let configuration = CommandConfiguration(
      commandName: "set", abstract: "Sets all records of a name, in the place of those that the workload had set.",
      discussion: """
        gatewayctl dns set 37-1976-web web.example.net --a 192.0.2.7 --record 'MX 10 mail.example.net.'
        """)

    @Argument(help: "The workload's identifier.") var workload: String
    @Argument(help: "The full name; with '*' as its first label it is a wildcard.") var name: String

    @Option(name: .customLong("a"), parsing: .upToNextOption, help: .init("IPv4 addresses.", valueName: "ip"))
    var ipv4: [String] = []
    @Option(name: .customLong("aaaa"), parsing: .upToNextOption, help: .init("IPv6 addresses.", valueName: "ip"))
    var ipv6: [String] = []
    @Option(
      parsing: .singleValue,
      help: .init("A record of any type, in one word: its type and its value. May be repeated.", valueName: "text"))
    var record: [String] = []
    @Option(help: .init("Of all the records, in seconds. (default: 3600)", valueName: "seconds"))
    var ttl: Int?
    @OptionGroup var waiting: LiveWaitOptions
    @OptionGroup var bus: BusOptions

    func run() async throws {
      let others = record.map { text -> RecordsRequest.Record in
        let parts = text.split(separator: " ", maxSplits: 1)
        return RecordsRequest.Record(String(parts[0]), ttl: ttl, value: parts.count > 1 ? String(parts[1]) : "")
      }
      let records =
        ipv4.map { RecordsRequest.Record("A", ttl: ttl, value: $0) }
        + ipv6.map { RecordsRequest.Record("AAAA", ttl: ttl, value: $0) } + others
      try await bus.withDNS { try await $0.setRecords(RecordsRequest(name: name, records: records), for: workload) }
      try await waiting.wait(forName: name, bus)
    }

    func validate() throws {
      guard !ipv4.isEmpty || !ipv6.isEmpty || !record.isEmpty else {
        throw ValidationError("no record is given: --a, --aaaa or --record")
      }
      guard record.allSatisfy({ !$0.isEmpty && !$0.hasPrefix(" ") }) else {
        throw ValidationError("--record takes a type and a value, such as 'MX 10 mail.example.net.'")
      }
    }
  }

  struct DeleteRecords: GatewayCtlCommand {
    static let configuration = CommandConfiguration(
      commandName: "delete", abstract: "Takes the records of a workload away.")

    @Argument(help: "The workload's identifier.") var workload: String
    @OptionGroup var bus: BusOptions

    func run() async throws { try await bus.withDNS { try await $0.deleteRecords(of: workload) } }
  }

  struct Zones: GatewayCtlCommand {
    static let configuration = CommandConfiguration(commandName: "zones", abstract: "Lists all zones.")

    @OptionGroup var bus: BusOptions

    func run() async throws {
      let zones = try await bus.withDNS { try await $0.zones() }
      if bus.json { return try StandardOutput.print(JSONText.pretty(zones)) }
      let rows = zones.map { zone in
        [
          zone.domain, zone.managed ? "(managed)" : zone.workload, zone.delegated.map { $0 ? "yes" : "NO" } ?? "?",
          zone.serial == 0 ? "not served" : "\(zone.serial)", "\(zone.records)", zone.ds.joined(separator: ", "),
        ]
      }
      try StandardOutput.print(
        Table(header: ["ZONE", "WORKLOAD", "DELEGATED", "SERIAL", "RECORDS", "DS"], rows: rows).description)
    }
  }

  struct ListRecords: GatewayCtlCommand {
    static let configuration = CommandConfiguration(
      commandName: "records", abstract: "Lists the records of the zone that a domain is or is in.")

    @Argument(help: "The domain.") var domain: String
    @OptionGroup var bus: BusOptions

    func run() async throws {
      let records = try await bus.withDNS { try await $0.records(of: domain) }
      if bus.json { return try StandardOutput.print(JSONText.pretty(records)) }
      let rows = records.map { record in
        [
          record.name, "\(record.ttl)", record.type, record.workload.isEmpty ? "(gateway)" : record.workload,
          record.value,
        ]
      }
      try StandardOutput.print(Table(header: ["NAME", "TTL", "TYPE", "WORKLOAD", "VALUE"], rows: rows).description)
    }
  }
}

extension LiveWaitOptions {
  /// Waits for a name that was set, where that was asked for.
  fileprivate func wait(forName name: String, _ bus: BusOptions) async throws {
    guard wait != nil else { return }
    try await bus.withGateway { gateway in
      let look = try NameLook(name, gateway: gateway)
      try await wait(for: name) { try await look.state() }
    }
  }
}

/// Who asks would wait for an answer that nobody gives.
struct NoNames: Error, CustomStringConvertible {
  let description = "this gateway serves no names: it was started without --dns-address"
}

extension BusOptions {
  /// Runs `body` with the gateway's DNS.
  fileprivate func withDNS<Result: Sendable>(_ body: (DNSClient) async throws -> Result) async throws -> Result {
    try await withObject(DNSObject.id, else: NoNames()) { try await body(DNSClient($0, timeout: $1)) }
  }
}
