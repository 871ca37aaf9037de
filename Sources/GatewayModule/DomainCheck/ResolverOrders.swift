import CLinux
import Glibc
import ProxyConfig
import Synchronization
import System

/// What tasks want from a resolver's thread, which sleeps in poll(2) meanwhile.
final class ResolverOrders: Sendable {
  typealias ID = UInt64

  enum Order: Sendable {
    case start(ID, Domain, CheckedContinuation<Result<AddressRecords, LookupError>, Never>)
    /// Means nothing for a lookup that is over.
    case cancel(ID)
  }

  /// Readable when there is something to take.
  let signal: CInt

  private let state = Mutex((orders: [Order](), isClosed: false))
  private let lastID = Atomic<ID>(0)

  init() throws(SystemError) {
    signal = eventfd(0, CInt(EFD_CLOEXEC | EFD_NONBLOCK))
    guard signal >= 0 else { throw SystemError("eventfd") }
  }

  deinit {
    Glibc.close(signal)
  }

  func nextID() -> ID {
    lastID.add(1, ordering: .relaxed).newValue
  }

  func send(_ order: Order) {
    state.withLock { $0.orders.append(order) }
    wake()
  }

  /// Tells the thread to end.
  func close() {
    state.withLock { $0.isClosed = true }
    wake()
  }

  /// For the thread: everything since it last took. After the last of it comes `isClosed`.
  func take() -> (orders: [Order], isClosed: Bool) {
    var count: UInt64 = 0
    _ = read(signal, &count, MemoryLayout.size(ofValue: count))
    return state.withLock { state in
      defer { state.orders.removeAll() }
      return state
    }
  }

  private func wake() {
    var one: UInt64 = 1
    _ = write(signal, &one, MemoryLayout.size(ofValue: one))
  }
}
