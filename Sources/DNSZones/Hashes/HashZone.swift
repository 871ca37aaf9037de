public import Records
import System

/// What a hash of coredns-redis says of a zone: each field is a name in it, with a JSON object of lists of records by their type.
public struct HashZone: Hashable, Sendable {
  /// What of a hash is not served, and why.
  public struct Fault: Hashable, Sendable {
    /// At most 253 bytes of its name.
    public let field: String
    public let reason: String
  }

  /// How the zone is served, by what `@` says of that.
  let head: ZoneTable.ZoneHead
  /// The records of each name, in text, without a dot at its end.
  let names: [String: [RecordSet.Record]]
  /// In the order of the fields.
  public let faults: [Fault]

  /// Of a field's value, in bytes.
  private static let maximumSize = 64 << 10

  /// Whatever is no record is left out, and is a fault; the rest is taken.
  ///
  /// - Parameters:
  ///   - fields: with their values, as Redis has them.
  ///   - head: how the zone is served where the hash does not say.
  public init(_ domain: Domain, fields: [(name: [UInt8], value: [UInt8])], head: ZoneTable.ZoneHead) {
    var reading = Reading(domain: domain, start: head.start)
    for (name, value) in fields.sorted(by: { $0.name.lexicographicallyPrecedes($1.name) }) {
      reading.field = String(decoding: name.prefix(253), as: UTF8.self)
      do throws(InvalidValue) {
        let name = try Self.owner(name, in: domain)
        guard value.count <= Self.maximumSize else { throw InvalidValue("it is longer than 65,536 bytes") }
        if value.isEmpty { continue }
        try reading.take(value, as: name)
      } catch {
        reading.refuse("\(error)")
      }
    }
    var names: [String: [RecordSet.Record]] = [:]
    for name in reading.records.keys.sorted() {
      let records = reading.settle(name)
      if !records.isEmpty { names[name] = records }
    }
    let own = reading.takeNameservers(from: &names)
    self.names = names
    self.head = ZoneTable.ZoneHead(
      nameservers: own.isEmpty ? head.nameservers : own.map(\.name), owner: head.owner,
      nameserverTTL: own.first?.ttl ?? head.nameserverTTL, start: reading.start)
    faults = reading.faults
  }

  /// The whole name of a field: the zone's with what stands before it, in which asterisks may be labels (RFC 4592).
  private static func owner(_ field: [UInt8], in domain: Domain) throws(InvalidValue) -> String {
    if field == [UInt8(ascii: "@")] { return domain.rawValue }
    guard let text = String(validating: field, as: UTF8.self) else { throw InvalidValue("the name is no UTF-8") }
    for label in text.split(separator: ".", omittingEmptySubsequences: false) where label != "*" {
      guard (try? Label(String(label))) != nil else {
        throw InvalidValue("the name has a label that is not '*' and not 1 to 63 letters, digits, '-' and '_'")
      }
    }
    let name = "\(text.lowercased()).\(domain)"
    guard name.utf8.count <= 253 else { throw InvalidValue("the whole name is longer than 253 bytes") }
    return name
  }

  /// What has been read of a hash so far.
  private struct Reading {
    let domain: Domain
    var start: ZoneTable.ZoneHead.StartOfAuthority
    var records: [String: [RecordSet.Record]] = [:]
    var faults: [Fault] = []
    /// The one that is being read.
    var field = ""
    /// Where a name was found first.
    private var fields: [String: String] = [:]

    init(domain: Domain, start: ZoneTable.ZoneHead.StartOfAuthority) {
      self.domain = domain
      self.start = start
    }

    mutating func refuse(_ reason: String) { faults.append(Fault(field: field, reason: reason)) }

    mutating func take(_ value: [UInt8], as name: String) throws(InvalidValue) {
      let json: JSONValue
      do throws(JSONValue.Fault) {
        json = try JSONValue(value)
      } catch {
        throw InvalidValue("the value is no JSON: \(error)")
      }
      guard case .object(let lists) = json else { throw InvalidValue("the value is no JSON object") }
      if fields[name] == nil { fields[name] = field }
      for (key, list) in lists.sorted(by: { $0.key < $1.key }) where list != .null {
        if key == "soa" {
          takeStart(list, as: name)
        } else if let kind = HashElement.kinds[key] {
          take(list, of: kind, key, as: name)
        } else {
          refuse("\(quoted(key)) is no type of records that hashes have")
        }
      }
    }

    private mutating func take(_ list: JSONValue, of kind: HashElement.Kind, _ key: String, as name: String) {
      guard case .array(let elements) = list else { return refuse("\(key): it is no list") }
      for (index, element) in elements.enumerated() {
        do throws(InvalidValue) {
          records[name, default: []].append(try HashElement(element).record(kind))
        } catch {
          refuse("\(key)[\(index)]: \(error)")
        }
      }
    }

    private mutating func takeStart(_ value: JSONValue, as name: String) {
      guard name == domain.rawValue else { return refuse("soa: only '@' has one") }
      func take<Value>(_ part: WritableKeyPath<ZoneTable.ZoneHead.StartOfAuthority, Value>, _ new: () throws -> Value?)
      {
        do {
          if let new = try new() { start[keyPath: part] = new }
        } catch {
          refuse("soa: \(error)")
        }
      }
      do throws(InvalidValue) {
        let element = try HashElement(value)
        take(\.primary) { try element.name(ifThere: "ns") }
        take(\.mailbox) { try element.name(ifThere: "mbox") }
        for (key, part) in [("refresh", \.refresh), ("retry", \.retry), ("expire", \.expire), ("minttl", \.minimum)]
          as [(String, WritableKeyPath<ZoneTable.ZoneHead.StartOfAuthority, UInt32>)]
        {
          take(part) { try element.number(key, upTo: HashElement.longest).map { UInt32($0) } }
        }
      } catch {
        refuse("soa: \(error)")
      }
    }

    /// The records that a name is served with, of those that were found.
    mutating func settle(_ name: String) -> [RecordSet.Record] {
      field = fields[name] ?? name
      var seen: Set<RecordIdentity> = []
      var found = (records[name] ?? []).filter { seen.insert(RecordIdentity($0)).inserted }
      if found.count > RecordSet.maximumCount {
        refuse("it has \(found.count) records, of which the first \(RecordSet.maximumCount) are served")
        found = Array(found.prefix(RecordSet.maximumCount))
      }
      if name == domain.rawValue, found.contains(where: { $0.type == .cname }) {
        refuse("cname: a CNAME cannot stand at the apex of a zone (RFC 1034, 3.6.2)")
        found.removeAll { $0.type == .cname }
      } else if found.count > 1, let first = found.firstIndex(where: { $0.type == .cname }) {
        refuse("cname: a CNAME stands alone (RFC 1034, 3.6.2)")
        let alias = found[first]
        found.removeAll { $0.type == .cname }
        if found.isEmpty { found = [alias] }
      }
      // Those of one type have one TTL (RFC 2181, 5.2).
      let least = Dictionary(found.map { ($0.type, $0.ttl) }) { min($0, $1) }
      return found.map { $0.with(ttl: least[$0.type] ?? $0.ttl) }
    }

    /// Takes the zone's own NS records out of the names.
    mutating func takeNameservers(
      from names: inout [String: [RecordSet.Record]]
    ) -> [(name: RecordName, ttl: Int)] {
      guard let apex = names[domain.rawValue] else { return [] }
      field = fields[domain.rawValue] ?? ""
      let others = apex.filter { $0.type != .ns }
      names[domain.rawValue] = others.isEmpty ? nil : others
      var nameservers: [(name: RecordName, ttl: Int)] = []
      for record in apex where record.type == .ns {
        do throws(InvalidValue) {
          nameservers.append((RecordName(try Domain(record.value)), record.ttl))
        } catch {
          refuse("ns: \(error)")
        }
      }
      return nameservers
    }
  }

  private struct RecordIdentity: Hashable {
    let type: RecordType
    let data: RecordData

    init(_ record: RecordSet.Record) {
      type = record.type
      data = record.data
    }
  }
}
