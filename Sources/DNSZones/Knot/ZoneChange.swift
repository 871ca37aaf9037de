import Records
import System

/// What has to be done to a zone that is served so that it is as it is to be.
struct ZoneChange {
  private let domain: Domain
  private(set) var removals: [KnotControl.Unit] = []
  private(set) var additions: [KnotControl.Unit] = []
  /// The names that are looked at; nil for all.
  private let names: Set<String>?
  private let authority: RecordData?

  var isEmpty: Bool { removals.isEmpty && additions.isEmpty }

  /// - Parameters:
  ///   - names: those that may differ; nil for all.
  ///   - serials: how far serials have come.
  init(
    of domain: Domain, from served: KnotServer.ServedZone, to zone: ZoneTable.Zone, names: Set<String>?,
    serials: ZoneSerials
  ) {
    self.domain = domain
    self.names = names
    let candidates = names ?? Set(served.names.keys).union(zone.names.keys)
    var removals: [KnotControl.Unit] = []
    var additions: [KnotControl.Unit] = []
    for name in candidates {
      let (old, new) = (served.names[name]?.types ?? [:], zone.names[name]?.types ?? [:])
      for (type, content) in old where new[type] != content {
        removals.append(.init(zone: "\(domain).", owner: "\(name).", type: RecordData.typeText(type)))
      }
      for (type, content) in new where old[type] != content {
        for data in content.data {
          additions.append(
            .init(
              zone: "\(domain).", owner: "\(name).", ttl: "\(content.ttl)", type: RecordData.typeText(type),
              data: data.generic))
        }
      }
    }
    // The serial goes up by itself, unless what is said besides it changes, or it is less than it was.
    let serial = served.authority?.serial
    let correction = names != nil ? nil : serial.flatMap { serials.correction(of: domain, served: $0) }
    if let served = served.authority, correction == nil, zone.head.authority(domain, serial: serial ?? 0) == served {
      authority = served
    } else {
      let next = correction ?? serial.map { $0 &+ 1 } ?? serials.first(of: domain)
      let new = zone.head.authority(domain, serial: next)
      if let served = served.authority {
        removals.append(.init(zone: "\(domain).", owner: "\(domain).", type: "SOA", data: served.generic))
      }
      additions.append(.init(zone: "\(domain).", owner: "\(domain).", ttl: "3600", type: "SOA", data: new.generic))
      authority = new
    }
    self.removals = removals
    self.additions = additions
  }

  /// The change is made.
  func note(in served: inout KnotServer.ServedZone, _ zone: ZoneTable.Zone) {
    served.authority = authority
    guard let names else {
      served.names = zone.names
      return
    }
    for name in names { served.names[name] = zone.names[name] }
  }
}

extension RecordData {
  /// Of the start of authority.
  static let authorityType: UInt16 = 6

  /// How a type is written, by its name or as RFC 3597, 5, says.
  static func typeText(_ code: UInt16) -> String {
    RecordType.allCases.first { $0.code == code }?.rawValue ?? "TYPE\(code)"
  }

  /// Of a start of authority: the first of the five numbers at its end.
  var serial: UInt32? {
    guard bytes.count >= 22 else { return nil }
    return bytes.dropLast(16).suffix(4).reduce(0) { $0 << 8 | UInt32($1) }
  }
}
