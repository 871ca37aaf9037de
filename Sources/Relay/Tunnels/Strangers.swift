import NIOCore
import System

/// Where a client comes from: an address of IPv4, or a whole network of IPv6, in which who has one address has all of them.
struct Origin: Hashable {
  private let bytes: [UInt8]

  init(_ address: IPAddress) {
    let all = SocketAddress(address, port: 0).addressBytes
    bytes = address.isIPv4 ? all : Array(all.prefix(8))
  }
}

/// How many clients there are that are not let in yet, by where they come from.
struct StrangerCounts {
  private var counts: [Origin: Int] = [:]
  private var total = 0

  /// Whether there may be one more.
  mutating func add(_ origin: Origin, limits: RelayLimits) -> Bool {
    guard total < limits.strangers, counts[origin, default: 0] < limits.strangersOfOrigin else { return false }
    total += 1
    counts[origin, default: 0] += 1
    return true
  }

  mutating func remove(_ origin: Origin) {
    guard let count = counts[origin] else { return }
    total -= 1
    counts[origin] = count > 1 ? count - 1 : nil
  }
}

/// How long clients wait that give a wrong secret: longer each time, by address.
struct FailureDelays {
  private struct Failures {
    var count: Int
    var last: NIODeadline
  }

  private static let first = TimeAmount.milliseconds(250)
  private static let longest = TimeAmount.seconds(30)
  private static let memory = TimeAmount.minutes(10)
  private static let capacity = 10_000

  private var failures: [Origin: Failures] = [:]

  mutating func delay(for address: IPAddress, now: NIODeadline) -> TimeAmount {
    let origin = Origin(address)
    if failures.count >= Self.capacity, failures[origin] == nil {
      failures = failures.filter { now - $0.value.last < Self.memory }
      // So many at a time are one and the same.
      guard failures.count < Self.capacity else { return Self.longest }
    }
    var entry = failures[origin] ?? Failures(count: 0, last: now)
    if now - entry.last > Self.memory { entry.count = 0 }
    let delay = min(Self.first * (1 << min(entry.count, 7)), Self.longest)
    entry.count += 1
    entry.last = now
    failures[origin] = entry
    return delay
  }

  mutating func forget(_ address: IPAddress) { failures[Origin(address)] = nil }
}
