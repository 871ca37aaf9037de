import DNSZones
import ProxyConfig
import System

/// The thread behind a ``Resolver``: one ``DNSChannel``, which asks and listens, and the lookups that wait for it.
///
/// All of it belongs to that thread.
final class ResolverLoop {
  private struct Lookup {
    let domain: Domain
    let continuation: CheckedContinuation<Result<AddressRecords, LookupError>, Never>
    let deadline: ContinuousClock.Instant
    var ipv4: LookupAnswer?
    var ipv6: LookupAnswer?
  }

  private typealias LookupAnswer = Result<[IPAddress], DNSReply.ReplyStatus>

  private let resolver: Endpoint
  private let limit: Duration
  private let orders: ResolverOrders
  private let channel: DNSChannel
  private var lookups: [ResolverOrders.ID: Lookup] = [:]

  init(resolver: Endpoint, limit: Duration, orders: ResolverOrders) throws(SystemError) {
    self.resolver = resolver
    self.limit = limit
    self.orders = orders
    // Each try waits twice as long as the one before: 1/7, 2/7 and 4/7 of the limit.
    channel = try DNSChannel(to: resolver, DNSChannel.Options(tries: 3, firstTimeout: limit / 7))
  }

  /// Serves until the orders are closed.
  func run() {
    while true {
      let (orders, isClosed) = orders.take()
      for order in orders { take(order) }
      if isClosed { return channel.cancel() }
      giveUp(at: .now)
      channel.wait(atMost: lookups.values.lazy.map(\.deadline).min().map { $0 - .now }, orFor: self.orders.signal)
    }
  }

  // MARK: - Lookups

  private func take(_ order: ResolverOrders.Order) {
    switch order {
    case .start(let id, let domain, let continuation):
      lookups[id] = Lookup(domain: domain, continuation: continuation, deadline: .now + limit)
      ask(.a, for: id)
      ask(.aaaa, for: id)
    case .cancel(let id):
      // c-ares cannot drop a single question. It ends by itself, and then finds that nobody waits for it.
      guard let lookup = lookups.removeValue(forKey: id) else { return }
      let error = LookupError(domain: lookup.domain, resolver: resolver, reason: .cancelled)
      lookup.continuation.resume(returning: .failure(error))
    }
  }

  private func giveUp(at now: ContinuousClock.Instant) {
    for (id, lookup) in lookups where lookup.deadline <= now {
      finish(id, unanswered: .silence)
    }
  }

  private func ask(_ type: DNSRecordType, for id: ResolverOrders.ID) {
    guard let domain = lookups[id]?.domain else { return }
    channel.ask(domain.rawValue, type) { [unowned self] reply in
      take(Result { () throws(DNSReply.ReplyStatus) in try reply.addresses(type) }, type, for: id)
    }
  }

  private func take(_ answer: LookupAnswer, _ type: DNSRecordType, for id: ResolverOrders.ID) {
    if type == .a { lookups[id]?.ipv4 = answer } else { lookups[id]?.ipv6 = answer }
    if case .failure(.unreachable) = answer {
      // The kernel reports a closed port once, so the other question, sent from the same socket, may never hear of it.
      finish(id, unanswered: .unreachable)
    } else if let lookup = lookups[id], lookup.ipv4 != nil, lookup.ipv6 != nil {
      finish(id, unanswered: .silence)
    }
  }

  /// Ends a lookup with what is known.
  private func finish(_ id: ResolverOrders.ID, unanswered: DNSReply.ReplyStatus) {
    guard let lookup = lookups.removeValue(forKey: id) else { return }
    let answers = [lookup.ipv4 ?? .failure(unanswered), lookup.ipv6 ?? .failure(unanswered)]
    var addresses: [IPAddress] = []
    var missing: LookupError?
    for answer in answers {
      switch answer {
      case .success(let found): addresses += found
      case .failure(let outcome):
        missing = missing ?? LookupError(domain: lookup.domain, resolver: resolver, reason: reason(outcome))
      }
    }
    if addresses.isEmpty {
      let error = missing ?? LookupError(domain: lookup.domain, resolver: resolver, reason: .noAddresses)
      lookup.continuation.resume(returning: .failure(error))
    } else {
      let records = AddressRecords(domain: lookup.domain, addresses: addresses, missing: missing)
      lookup.continuation.resume(returning: .success(records))
    }
  }

  private func reason(_ outcome: DNSReply.ReplyStatus) -> LookupError.Reason {
    switch outcome {
    case .noSuchName: .noSuchDomain
    case .serverFailure: .serverFailure
    case .refused: .refused
    case .rejected: .rejected
    case .silence: .silence(limit)
    case .unreachable: .unreachable
    case .cancelled: .cancelled
    case .outOfResources: .outOfResources
    case .records, .noRecords, .malformed: .malformedAnswer
    }
  }
}
