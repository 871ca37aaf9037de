import CAres
import Glibc
import ProxyConfig
import System

/// The thread behind a ``Resolver``: one c-ares channel, which asks and listens, and the lookups that wait for it.
///
/// All of it belongs to that thread.
final class ResolverLoop {
  private struct Lookup {
    let domain: Domain
    let continuation: CheckedContinuation<Result<AddressRecords, LookupError>, Never>
    let deadline: ContinuousClock.Instant
    var ipv4: Answer?
    var ipv6: Answer?
  }

  private enum Answer {
    /// Addresses, or none.
    case addresses([IPAddress])
    case failure(LookupError.Reason)
  }

  /// The numbers of RFC 1035 3.2.2 and RFC 3596 2.1.
  private enum Kind: CInt {
    case a = 1
    case aaaa = 28
  }

  /// What c-ares hands back with an answer.
  private final class Question {
    let loop: ResolverLoop
    let lookup: ResolverOrders.ID
    let kind: Kind

    init(_ loop: ResolverLoop, _ lookup: ResolverOrders.ID, _ kind: Kind) {
      self.loop = loop
      self.lookup = lookup
      self.kind = kind
    }
  }

  private let resolver: Endpoint
  private let limit: Duration
  private let orders: ResolverOrders
  private let channel: ares_channel
  private var lookups: [ResolverOrders.ID: Lookup] = [:]

  init(resolver: Endpoint, limit: Duration, orders: ResolverOrders) throws(SystemError) {
    self.resolver = resolver
    self.limit = limit
    self.orders = orders
    channel = try Self.makeChannel(resolver, limit)
  }

  deinit {
    ares_destroy(channel)
  }

  /// Serves until the orders are closed.
  func run() {
    while true {
      let (orders, isClosed) = orders.take()
      for order in orders { carryOut(order) }
      if isClosed { return ares_cancel(channel) }
      giveUp(at: .now)
      wait()
    }
  }

  // MARK: - Lookups

  private func carryOut(_ order: ResolverOrders.Order) {
    switch order {
    case .start(let id, let domain, let continuation):
      lookups[id] = Lookup(domain: domain, continuation: continuation, deadline: .now + limit)
      ask(.a, for: id, domain)
      ask(.aaaa, for: id, domain)
    case .cancel(let id):
      // c-ares cannot drop a single question. It ends by itself, and then finds that nobody waits for it.
      guard let lookup = lookups.removeValue(forKey: id) else { return }
      let error = LookupError(domain: lookup.domain, resolver: resolver, reason: .cancelled)
      lookup.continuation.resume(returning: .failure(error))
    }
  }

  private func giveUp(at now: ContinuousClock.Instant) {
    for (id, lookup) in lookups where lookup.deadline <= now {
      finish(id, unanswered: .silence(limit))
    }
  }

  private func take(_ answer: Answer, to question: Question) {
    switch question.kind {
    case .a: lookups[question.lookup]?.ipv4 = answer
    case .aaaa: lookups[question.lookup]?.ipv6 = answer
    }
    if case .failure(.unreachable) = answer {
      // The kernel reports a closed port once, so the other question, sent from the same socket, may never hear of it.
      finish(question.lookup, unanswered: .unreachable)
    } else if let lookup = lookups[question.lookup], lookup.ipv4 != nil, lookup.ipv6 != nil {
      finish(question.lookup, unanswered: .silence(limit))
    }
  }

  /// Ends a lookup with what is known.
  private func finish(_ id: ResolverOrders.ID, unanswered: LookupError.Reason) {
    guard let lookup = lookups.removeValue(forKey: id) else { return }
    let answers = [lookup.ipv4 ?? .failure(unanswered), lookup.ipv6 ?? .failure(unanswered)]
    var addresses: [IPAddress] = []
    var missing: LookupError?
    for answer in answers {
      switch answer {
      case .addresses(let found): addresses += found
      case .failure(let reason):
        missing = missing ?? LookupError(domain: lookup.domain, resolver: resolver, reason: reason)
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

  // MARK: - c-ares

  private static func makeChannel(_ resolver: Endpoint, _ limit: Duration) throws(SystemError) -> ares_channel {
    var options = ares_options()
    // A failure is an answer, not a reason to look for another server.
    options.flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES
    // Each try waits twice as long as the one before: 1/7, 2/7 and 4/7 of the limit.
    options.tries = 3
    options.timeout = CInt(limit / .milliseconds(7))
    options.ndots = 1
    // With all of the following given, if only as none, c-ares reads no settings of the machine.
    let given =
      ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS | ARES_OPT_SERVERS | ARES_OPT_DOMAINS
      | ARES_OPT_LOOKUPS | ARES_OPT_SORTLIST | ARES_OPT_NOROTATE

    var channel: ares_channel?
    let lookups = strdup("b")
    defer { free(lookups) }
    options.lookups = lookups
    let all = given | cares_remember_nothing(&options)
    guard libraryIsReady, ares_init_options(&channel, &options, all) == CARES_SUCCESS, let channel else {
      throw SystemError("ares_init_options", code: ENOMEM)
    }
    guard ares_set_servers_ports_csv(channel, "\(resolver)") == CARES_SUCCESS else {
      ares_destroy(channel)
      throw SystemError("ares_set_servers_ports_csv", code: ENOMEM)
    }
    return channel
  }

  /// To be made once in a process, before all else.
  private static let libraryIsReady = ares_library_init(ARES_LIB_INIT_ALL) == 0

  private func ask(_ kind: Kind, for id: ResolverOrders.ID, _ domain: Domain) {
    // Taken back by the callback, which c-ares runs exactly once, maybe before `ares_query` returns.
    let question = Unmanaged.passRetained(Question(self, id, kind)).toOpaque()
    let internet: CInt = 1
    ares_query(
      channel, domain.rawValue, internet, kind.rawValue,
      { argument, status, _, message, length in
        let question = Unmanaged<Question>.fromOpaque(argument!).takeRetainedValue()
        let message = UnsafeBufferPointer(start: message, count: Int(length))
        question.loop.take(question.loop.answer(question.kind, status, message), to: question)
      }, question)
  }

  private func answer(_ kind: Kind, _ status: CInt, _ message: UnsafeBufferPointer<UInt8>) -> Answer {
    switch status {
    case CARES_SUCCESS: Self.addresses(kind, in: message)
    case CARES_ENODATA: .addresses([])
    case CARES_ENOTFOUND: .failure(.noSuchDomain)
    case CARES_ESERVFAIL: .failure(.serverFailure)
    case CARES_EREFUSED: .failure(.refused)
    case CARES_EFORMERR, CARES_ENOTIMP: .failure(.rejected)
    case CARES_ETIMEOUT: .failure(.silence(limit))
    case CARES_ECONNREFUSED: .failure(.unreachable)
    case CARES_ECANCELLED, CARES_EDESTRUCTION: .failure(.cancelled)
    case CARES_ENOMEM, CARES_EFILE: .failure(.outOfResources)
    default: .failure(.malformedAnswer)
    }
  }

  private static func addresses(_ kind: Kind, in message: UnsafeBufferPointer<UInt8>) -> Answer {
    // A record takes at least 15 bytes, so there is room for all that a message can hold.
    let capacity = message.count / 15 + 1
    var count = CInt(capacity)
    switch kind {
    case .a:
      return withUnsafeTemporaryAllocation(of: ares_addrttl.self, capacity: capacity) { records in
        let status = ares_parse_a_reply(
          message.baseAddress, CInt(message.count), nil, records.baseAddress, &count)
        return answer(status, records.prefix(Int(count))) { $0.ipaddr }
      }
    case .aaaa:
      return withUnsafeTemporaryAllocation(of: ares_addr6ttl.self, capacity: capacity) { records in
        let status = ares_parse_aaaa_reply(
          message.baseAddress, CInt(message.count), nil, records.baseAddress, &count)
        return answer(status, records.prefix(Int(count))) { $0.ip6addr }
      }
    }
  }

  private static func answer<Record, Address>(
    _ status: CInt, _ records: Slice<UnsafeMutableBufferPointer<Record>>, _ address: (Record) -> Address
  ) -> Answer {
    switch status {
    case CARES_SUCCESS:
      .addresses(records.compactMap { record in withUnsafeBytes(of: address(record)) { IPAddress(bytes: $0) } })
    case CARES_ENODATA: .addresses([])
    case CARES_ENOMEM: .failure(.outOfResources)
    default: .failure(.malformedAnswer)
    }
  }

  // MARK: - Waiting

  /// Waits for an answer, an order or the next moment at which something is given up, and lets c-ares work.
  private func wait() {
    let most = Int(ARES_GETSOCK_MAXNUM)
    let none = pollfd(fd: -1, events: 0, revents: 0)
    withUnsafeTemporaryAllocation(of: ares_socket_t.self, capacity: most) { sockets in
      withUnsafeTemporaryAllocation(of: pollfd.self, capacity: most + 1) { polled in
        sockets.initialize(repeating: -1)
        polled.initialize(repeating: none)
        polled[most] = pollfd(fd: orders.signal, events: Int16(POLLIN), revents: 0)
        // One bit for each socket to be read, and 16 bits further up one for each to be written.
        let wanted = UInt32(bitPattern: ares_getsock(channel, sockets.baseAddress, CInt(most)))
        for index in 0..<most {
          let reads = wanted >> index & 1 != 0
          let writes = wanted >> (index + most) & 1 != 0
          guard reads || writes else { continue }
          polled[index] = pollfd(
            fd: sockets[index], events: Int16((reads ? POLLIN : 0) | (writes ? POLLOUT : 0)), revents: 0)
        }

        // Interrupted, it has found nothing, as the entries say.
        poll(polled.baseAddress, nfds_t(polled.count), timeout())
        for entry in polled.prefix(most) where entry.revents != 0 {
          // An error, such as the port being closed, is what reading returns.
          let writes = CInt(entry.revents) & POLLOUT != 0
          let reads = CInt(entry.revents) & ~POLLOUT != 0
          ares_process_fd(channel, reads ? entry.fd : -1, writes ? entry.fd : -1)
        }
        ares_process_fd(channel, -1, -1)
      }
    }
  }

  /// In milliseconds, rounded up; -1 with nothing to wait for but an order.
  private func timeout() -> CInt {
    var longest = timeval()
    var next = timeval()
    let deadline = lookups.values.lazy.map(\.deadline).min()
    if let deadline {
      let left = max(deadline - .now, .zero).components
      longest = timeval(tv_sec: Int(left.seconds), tv_usec: Int(left.attoseconds / 1_000_000_000_000))
    }
    let chosen = withUnsafeMutablePointer(to: &longest) { ares_timeout(channel, deadline == nil ? nil : $0, &next) }
    guard let wait = chosen?.pointee else { return -1 }
    return CInt(clamping: wait.tv_sec * 1000 + (wait.tv_usec + 999) / 1000)
  }
}
