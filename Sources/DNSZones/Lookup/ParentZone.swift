package import Records
package import System

/// What the zone above a domain says of it: whom it is delegated to. A resolver would not tell: it goes on to the domain's own name
/// servers, which may not serve it yet, and remembers what they say.
package struct ParentZone: Sendable {
  /// Why it cannot be told.
  package struct ParentUnknown: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String
  }

  /// How long each question may take.
  private static let patience = Duration.seconds(5)
  /// The most name servers of a zone that are asked.
  private static let attempts = 3

  /// The innermost zone above the domain that there is.
  package let zone: String
  /// A name server of it that answers.
  package let server: IPAddress
  /// The names that the domain's NS records have there, in lower case and without a dot at the end; none when it is not delegated.
  package let nameservers: [String]

  /// Those of them whose address the zone says itself (glue).
  package let namesWithAddress: Set<String>

  /// Asks; takes as long as it takes, up to some tens of seconds.
  ///
  /// - Parameters:
  ///   - resolver: finds the zone above and its name servers.
  ///   - port: where those are asked; the world's is 53.
  package init(of domain: Domain, resolver: Endpoint, port: UInt16 = 53) throws(ParentUnknown) {
    func ask(_ name: String, _ type: DNSRecordType) throws(ParentUnknown) -> [DNSRecord] {
      let reply = DNSQuery(name, type: type, server: resolver, isRecursive: true).ask(within: Self.patience)
      guard reply.isAnswer else {
        throw ParentUnknown(
          description: "cannot look up the name servers of \(name) at \(resolver): \(reply.statusText)")
      }
      return DNSRecord.all(in: .answer, of: reply.message).filter { $0.type == type }
    }
    // A single label, `net`, is a zone too.
    func above(_ name: some StringProtocol) -> String? {
      name.firstIndex(of: ".").map { String(name[name.index(after: $0)...]) }
    }
    var candidate = above(domain.rawValue)
    while let zone = candidate {
      let names = try ask(zone, .ns).filter { $0.owner == zone }.compactMap { try? Domain($0.value) }
      guard !names.isEmpty else {
        candidate = above(zone)
        continue
      }
      var problem = "none of its name servers has an address"
      for name in names.prefix(Self.attempts) {
        for type in [DNSRecordType.a, .aaaa] {
          for record in (try? ask(name.rawValue, type)) ?? [] {
            guard let address = try? IPAddress(record.value) else { continue }
            let query = DNSQuery(
              name: domain, type: .ns, server: Endpoint(address: address, port: port), isRecursive: false)
            let reply = query.ask(within: Self.patience)
            guard reply.isAnswer else {
              problem = "\(name) does not say: \(reply.statusText)"
              continue
            }
            // Under AUTHORITY where it was delegated; under ANSWER where the server has that zone too.
            let records =
              DNSRecord.all(in: .authority, of: reply.message) + DNSRecord.all(in: .answer, of: reply.message)
            self.zone = zone
            server = address
            namesWithAddress = Set(
              DNSRecord.all(in: .additional, of: reply.message).filter { [.a, .aaaa].contains($0.type) }.map(\.owner))
            nameservers = records.filter { $0.type == .ns && $0.owner == domain.rawValue }.map(\.value)
            return
          }
        }
      }
      throw ParentUnknown(description: "cannot ask the zone \(zone) above \(domain): \(problem)")
    }
    throw ParentUnknown(description: "cannot look up \(domain): there is no zone above it that could be asked")
  }
}
