import DNSZones
public import Records

/// What an operator has said of the DNS of a node.
public struct DNSNode: Sendable {
  /// The gateway's own name servers, the first of which is the primary of each zone; at least one.
  public let nameservers: [Domain]
  /// The domains in which everybody may take a name.
  public let managed: [Domain]

  public init(nameservers: [Domain], managed: [Domain]) {
    self.nameservers = nameservers
    self.managed = managed
  }

  /// What a zone of a user's, or of the operator's, is served with.
  func head(owner: some StringProtocol) -> ZoneTable.ZoneHead {
    ZoneTable.ZoneHead(nameservers: nameservers.map(RecordName.init), owner: String(owner))
  }
}
