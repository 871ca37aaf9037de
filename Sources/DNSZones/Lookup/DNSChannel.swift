import CAres
import Glibc
package import System

/// A DNS server and the questions that it has not answered yet: the one door to c-ares.
///
/// It is asked over UDP, and over TCP when an answer is too long for that; nothing else is: no cache, no hosts file, no search
/// domains, none of this machine's resolver settings. A channel belongs to one thread.
package final class DNSChannel {
  package struct Options: Sendable {
    /// How often a question is sent; each time is waited for twice as long as the one before.
    package var tries = 1
    /// How long the first time is waited for, at least a millisecond.
    package var firstTimeout: Duration
    /// Whether the server shall ask others for what it does not know.
    package var isRecursive = true
    /// The longest answer that is taken over UDP, in bytes (RFC 6891); nil for 512.
    package var answerSize: Int?
    /// Whether it is asked over TCP alone.
    package var usesTCP = false

    package init(tries: Int = 1, firstTimeout: Duration, isRecursive: Bool = true, answerSize: Int? = nil) {
      self.tries = tries
      self.firstTimeout = firstTimeout
      self.isRecursive = isRecursive
      self.answerSize = answerSize
    }
  }

  private let channel: ares_channel

  /// - Throws: when the process lacks memory or descriptors.
  package init(to server: Endpoint, _ options: Options) throws(SystemError) {
    var settings = ares_options()
    // A failure is an answer, not a reason to look for another server.
    settings.flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES
    if options.usesTCP { settings.flags |= ARES_FLAG_USEVC }
    if !options.isRecursive { settings.flags |= ARES_FLAG_NORECURSE }
    settings.tries = CInt(options.tries)
    settings.timeout = CInt(max(options.firstTimeout / .milliseconds(1), 1))
    settings.ndots = 1
    settings.lookups = strdup("b")
    defer { free(settings.lookups) }
    // With all of these given, if only as none, c-ares reads no settings of the machine.
    var given =
      ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS | ARES_OPT_SERVERS | ARES_OPT_DOMAINS
      | ARES_OPT_LOOKUPS | ARES_OPT_SORTLIST | ARES_OPT_NOROTATE
    if let size = options.answerSize {
      settings.flags |= ARES_FLAG_EDNS
      settings.ednspsz = CInt(size)
      given |= ARES_OPT_EDNSPSZ
    }
    given |= cares_remember_nothing(&settings)
    var channel: ares_channel?
    guard Self.libraryIsReady, ares_init_options(&channel, &settings, given) == CARES_SUCCESS, let channel else {
      throw SystemError("ares_init_options", code: ENOMEM)
    }
    guard ares_set_servers_ports_csv(channel, "\(server)") == CARES_SUCCESS else {
      ares_destroy(channel)
      throw SystemError("ares_set_servers_ports_csv", code: ENOMEM)
    }
    self.channel = channel
  }

  deinit {
    ares_destroy(channel)
  }

  /// To be made once in a process, before all else.
  private static let libraryIsReady = ares_library_init(ARES_LIB_INIT_ALL) == 0

  /// Asks.
  ///
  /// - Parameter take: is given the reply, once; it may be so before this function returns.
  package func ask(_ name: String, _ type: DNSRecordType, _ take: @escaping (DNSReply) -> Void) {
    let question = Unmanaged.passRetained(Question(take)).toOpaque()
    let internet: CInt = 1
    ares_query(
      channel, name, internet, type.rawValue,
      { argument, status, _, message, length in
        let question = Unmanaged<Question>.fromOpaque(argument!).takeRetainedValue()
        question.take(DNSReply(status, Array(UnsafeBufferPointer(start: message, count: Int(length)))))
      }, question)
  }

  private final class Question {
    let take: (DNSReply) -> Void
    init(_ take: @escaping (DNSReply) -> Void) { self.take = take }
  }

  /// Ends all questions, each with a reply that says so.
  package func cancel() { ares_cancel(channel) }

  /// Waits for an answer, or the next moment at which something is given up, and hands on what there is.
  ///
  /// - Parameters:
  ///   - limit: how long at most; nil for as long as there is a question.
  ///   - signal: a descriptor; ends the wait when it is readable.
  package func wait(atMost limit: Duration? = nil, orFor signal: CInt = -1) {
    let most = Int(ARES_GETSOCK_MAXNUM)
    withUnsafeTemporaryAllocation(of: ares_socket_t.self, capacity: most) { sockets in
      withUnsafeTemporaryAllocation(of: pollfd.self, capacity: most + 1) { polled in
        polled.initialize(repeating: pollfd(fd: -1, events: 0, revents: 0))
        polled[most] = pollfd(fd: signal, events: Int16(POLLIN), revents: 0)
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
        poll(polled.baseAddress, nfds_t(polled.count), timeout(limit))
        for entry in polled.prefix(most) where entry.revents != 0 {
          // An error, such as the port being closed, is what reading returns.
          let writes = CInt(entry.revents) & POLLOUT != 0
          let reads = CInt(entry.revents) & ~POLLOUT != 0
          ares_process_fd(channel, reads ? entry.fd : ARES_SOCKET_BAD, writes ? entry.fd : ARES_SOCKET_BAD)
        }
        // Also without any socket: that is how it finds that time is over.
        ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD)
      }
    }
  }

  /// In milliseconds, rounded up; -1 with nothing to wait for but a signal.
  private func timeout(_ limit: Duration?) -> CInt {
    var longest = timeval()
    var next = timeval()
    if let limit {
      let left = max(limit, .zero).components
      longest = timeval(tv_sec: Int(left.seconds), tv_usec: Int(left.attoseconds / 1_000_000_000_000))
    }
    let chosen = withUnsafeMutablePointer(to: &longest) { ares_timeout(channel, limit == nil ? nil : $0, &next) }
    guard let wait = chosen?.pointee else { return -1 }
    return CInt(clamping: wait.tv_sec * 1000 + (wait.tv_usec + 999) / 1000)
  }
}
