import DNSZones
public import Records
public import System

/// What an operator has said of the DNS of a node.
public struct DNSNode: Sendable {
  /// The gateway's own name servers, the first of which is the primary of each zone; at least one.
  public let nameservers: [Domain]
  /// The domains in which everybody may take a name.
  public let managed: [Domain]
  /// The only certificate authority that is to issue for the node's own domain (RFC 8659, 4.2); nil for any.
  public let issuer: String?
  /// Where the name servers after the first one are, in their order, as far as that is known.
  public let secondaries: [IPAddress]

  public init(nameservers: [Domain], managed: [Domain], issuer: String? = nil, secondaries: [IPAddress] = []) {
    self.nameservers = nameservers
    self.managed = managed
    self.issuer = issuer
    self.secondaries = secondaries
  }

  /// What a zone of a user's, or of the operator's, is served with.
  func head(owner: (some StringProtocol)?) -> ZoneTable.ZoneHead {
    ZoneTable.ZoneHead(nameservers: nameservers.map { RecordName($0) }, owner: owner.map { String($0) })
  }

  /// What the gateway itself says: of the node's own domain, where it is a managed one, of its name servers, and the values
  /// of challenges.
  func ownRecords(_ network: PublicNetwork, challenges: [Domain: [String]]) -> [RecordName: [RecordSet.Record]] {
    var records: [RecordName: [RecordSet.Record]] = [:]
    let addresses = network.addresses.map { address in
      RecordSet.Record(unchecked: address.isIPv4 ? .a : .aaaa, ttl: 3600, value: "\(address)")
    }
    if let domain = network.domain, managed.contains(domain) {
      let issuers = issuer.map { [RecordSet.Record(unchecked: .caa, ttl: 3600, value: "0 issue \"\($0)\"")] } ?? []
      records[RecordName(domain)] = addresses + issuers
      records[RecordName(wildcardIn: domain)] = [
        RecordSet.Record(unchecked: .cname, ttl: 3600, value: "\(domain).")
      ]
      // Without a record it would have the wildcard's, and an ACME client would follow that.
      if let challenge = try? Domain("_acme-challenge.\(domain)") {
        records[RecordName(challenge)] = [
          RecordSet.Record(unchecked: .txt, ttl: 0, value: "\"no challenge is pending\"")
        ]
      }
    }
    if let primary = nameservers.first.map({ RecordName($0) }), records[primary] == nil, !addresses.isEmpty {
      records[primary] = addresses
    }
    for (name, address) in zip(nameservers.dropFirst().map { RecordName($0) }, secondaries) where records[name] == nil {
      records[name] = [RecordSet.Record(unchecked: address.isIPv4 ? .a : .aaaa, ttl: 3600, value: "\(address)")]
    }
    for (name, values) in challenges where !values.isEmpty {
      // A resolver must not keep one challenge's values while the next is presented.
      records[RecordName(name)] = values.map { RecordSet.Record(unchecked: .txt, ttl: 0, value: "\"\($0)\"") }
    }
    return records
  }
}
