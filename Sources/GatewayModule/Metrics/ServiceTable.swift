/// Bytes and requests by service: a hash table keyed by the bytes of a name, so that counting a line makes no `String`.
///
/// Open addressing with linear probing. Names come from callers, so the hash is the standard library's seeded one.
struct ServiceTable {
  private struct ServiceEntry {
    let hash: Int
    /// Where its name stands in `names`.
    let name: Range<Int>
    var request: Double?
    var response: Double?
    var requests: Double?
  }

  private var services: [ServiceEntry] = []
  private var names: [UInt8] = []
  /// Indices into `services`, or `free`. A power of two of them, at most half of them taken.
  private var slots = [Int32](repeating: free, count: 64)

  private static let free: Int32 = -1

  /// Adds to what is known of a workload if `service` is one that the file provider made from a workload's route:
  /// `<workload>@file`, or `<workload>~http@file` for the plain HTTP of a domain whose TLS is passed through.
  mutating func add(_ value: Double, to quantity: Sample.Quantity, service: Span<UInt8>) {
    var length = service.count - Self.provider.utf8CodeUnitCount
    guard length > 0, service.hasText(Self.provider, at: length) else { return }
    let name = length - Self.plainHTTP.utf8CodeUnitCount
    if name > 0, service.hasText(Self.plainHTTP, at: name) { length = name }
    let index = index(of: service.extracting(first: length))
    switch quantity {
    case .request: services[index].request = (services[index].request ?? 0) + value
    case .response: services[index].response = (services[index].response ?? 0) + value
    case .requests: services[index].requests = (services[index].requests ?? 0) + value
    }
  }

  private static let provider: StaticString = "@file"
  /// See `Route.plainServiceName`.
  private static let plainHTTP: StaticString = "~http"

  /// A name that is not UTF-8 is repaired; should two become the same by that, they are added up.
  var traffic: Traffic {
    var traffic = Traffic()
    for service in services {
      let name = String(decoding: names[service.name], as: UTF8.self)
      if let bytes = service.request { traffic.request[name, default: 0] += bytes }
      if let bytes = service.response { traffic.response[name, default: 0] += bytes }
      if let count = service.requests { traffic.requests[name, default: 0] += count }
    }
    return traffic
  }

  private mutating func index(of name: Span<UInt8>) -> Int {
    var hasher = Hasher()
    name.withUnsafeBytes { hasher.combine(bytes: $0) }
    let hash = hasher.finalize()
    var slot = hash & (slots.count - 1)
    while slots[slot] != Self.free {
      let index = Int(slots[slot])
      if services[index].hash == hash, names.span.extracting(services[index].name).hasSameBytes(as: name) {
        return index
      }
      slot = (slot + 1) & (slots.count - 1)
    }

    slots[slot] = Int32(services.count)
    let start = names.count
    name.withUnsafeBufferPointer { names.append(contentsOf: $0) }
    services.append(ServiceEntry(hash: hash, name: start..<names.count))
    if services.count * 2 > slots.count { grow() }
    return services.count - 1
  }

  private mutating func grow() {
    slots = [Int32](repeating: Self.free, count: slots.count * 2)
    for (index, service) in services.enumerated() {
      var slot = service.hash & (slots.count - 1)
      while slots[slot] != Self.free { slot = (slot + 1) & (slots.count - 1) }
      slots[slot] = Int32(index)
    }
  }
}
