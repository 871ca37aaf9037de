public import ProxyConfig
import System

/// Looks up addresses at one DNS resolver.
///
/// Every lookup is a question to that resolver and to nothing else: no cache, no hosts file, no search domains, none of
/// this machine's resolver settings. Any number of lookups run at once on one thread, which ends with this object.
public final class Resolver: Sendable {
  /// Where questions go.
  public let address: Endpoint

  /// The longest that a lookup takes: 7 milliseconds to an hour.
  public let limit: Duration

  private let orders: ResolverOrders
  private let thread: POSIXThread

  /// - Parameters:
  ///   - address: the resolver, asked over UDP, and over TCP for an answer that is too long for that.
  ///   - limit: the longest that a lookup takes; less than 7 milliseconds is taken as that, more than an hour as an hour.
  ///     A question is sent up to three times within it.
  /// - Throws: when the process lacks memory, descriptors or threads.
  public init(at address: Endpoint, limit: Duration = .seconds(5)) throws(SystemError) {
    let limit = min(max(limit, .milliseconds(7)), .seconds(3600))
    let orders = try ResolverOrders()
    let loop = try ResolverLoop(resolver: address, limit: limit, orders: orders)
    thread = try POSIXThread { loop.run() }
    self.address = address
    self.limit = limit
    self.orders = orders
  }

  deinit {
    orders.close()
    thread.join()
  }

  /// Asks for the A and the AAAA records of `domain`, at the end of the CNAME records that the resolver followed.
  ///
  /// - Throws: when there is no address to return, and at once when the task is cancelled.
  public func addresses(of domain: Domain) async throws(LookupError) -> AddressRecords {
    let id = orders.nextID()
    let outcome = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        orders.send(.start(id, domain, continuation))
        // Cancelled before: the order to cancel went out before the one to start.
        if Task.isCancelled { orders.send(.cancel(id)) }
      }
    } onCancel: {
      orders.send(.cancel(id))
    }
    return try outcome.get()
  }
}
