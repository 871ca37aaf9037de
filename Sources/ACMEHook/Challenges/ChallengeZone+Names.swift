import Records

extension ChallengeZone {
  /// What the parent zone names as the server of a challenge: `_acme-challenge.DOMAIN NS DOMAIN`, with the node's domain
  /// for all names inside it. Outside it, the domain of an FQDN route leads to this node too.
  func nameServer(of name: ChallengeName) -> Domain {
    if let domain, name.domain.isInside(domain) { domain } else { name.domain }
  }
}
