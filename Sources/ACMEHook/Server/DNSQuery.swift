import CAres
import Glibc
package import Records
package import System

/// A question put to one DNS server over UDP, and over TCP when the answer is too long for that.
///
/// Made for one question and its answer at a time, on a thread that has nothing else to do meanwhile; lookups that wait
/// for a resolver are the gateway's.
package struct DNSQuery: Sendable {
  /// The numbers of RFC 1035 3.2.2 and RFC 3596 2.1.
  package enum RecordType: CInt, Sendable {
    case a = 1
    case ns = 2
    case cname = 5
    case txt = 16
    case aaaa = 28
  }

  package let name: Domain
  package let type: RecordType
  package let server: IPAddress
  package let port: UInt16
  /// Whether the server shall ask others for what it does not know.
  package let isRecursive: Bool

  package init(name: Domain, type: RecordType, server: IPAddress, port: UInt16, isRecursive: Bool) {
    self.name = name
    self.type = type
    self.server = server
    self.port = port
    self.isRecursive = isRecursive
  }

  /// What came back.
  package struct Reply: Sendable {
    /// One of c-ares: `CARES_SUCCESS` for an answer with records, `CARES_ENODATA` for one without, `CARES_ENOTFOUND` for
    /// a name that does not exist.
    let status: CInt
    /// The whole message; empty when none came.
    package let message: [UInt8]

    /// Whether a server answered: with records, that there are none, or that there is no such name.
    package var isAnswer: Bool { [CARES_SUCCESS, CARES_ENODATA, CARES_ENOTFOUND].contains(status) }
    /// The status in words.
    package var statusText: String { String(cString: ares_strerror(status)) }
  }

  /// Asks once.
  ///
  /// - Parameter limit: how long to wait for an answer, at least a millisecond.
  package func ask(within limit: Duration) -> Reply {
    guard let channel = makeChannel(limit) else { return Reply(status: CARES_ENOMEM, message: []) }
    defer { ares_destroy(channel) }
    let box = Box()
    let internet: CInt = 1
    ares_query(
      channel, name.rawValue, internet, type.rawValue,
      { argument, status, _, message, length in
        let box = Unmanaged<Box>.fromOpaque(argument!).takeUnretainedValue()
        box.reply = Reply(
          status: status, message: Array(UnsafeBufferPointer(start: message, count: Int(length))))
      }, Unmanaged.passUnretained(box).toOpaque())
    while true {
      if let reply = box.reply { return reply }
      wait(channel)
    }
  }

  private final class Box {
    var reply: Reply?
  }

  private func makeChannel(_ limit: Duration) -> ares_channel? {
    guard Self.libraryIsReady else { return nil }
    var options = ares_options()
    options.flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS
    if !isRecursive { options.flags |= ARES_FLAG_NORECURSE }
    options.tries = 1
    options.timeout = CInt(max(limit / .milliseconds(1), 1))
    options.ndots = 1
    // What dnsmasq sends at most, and no network has to take apart.
    options.ednspsz = 1232
    options.lookups = strdup("b")
    defer { free(options.lookups) }
    // With all of these given, if only as none, c-ares reads no settings of the machine.
    let given =
      ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS | ARES_OPT_SERVERS | ARES_OPT_DOMAINS
      | ARES_OPT_LOOKUPS | ARES_OPT_SORTLIST | ARES_OPT_EDNSPSZ | ARES_OPT_NOROTATE
    var channel: ares_channel?
    let all = given | cares_remember_nothing(&options)
    guard ares_init_options(&channel, &options, all) == CARES_SUCCESS, let channel else { return nil }
    let address = server.isIPv4 ? "\(server):\(port)" : "[\(server)]:\(port)"
    guard ares_set_servers_ports_csv(channel, address) == CARES_SUCCESS else {
      ares_destroy(channel)
      return nil
    }
    return channel
  }

  /// To be made once in a process, before all else.
  private static let libraryIsReady = ares_library_init(ARES_LIB_INIT_ALL) == 0

  /// Waits for an answer or the time at which c-ares gives up, and lets it work.
  private func wait(_ channel: ares_channel) {
    let most = Int(ARES_GETSOCK_MAXNUM)
    var sockets = [ares_socket_t](repeating: -1, count: most)
    let wanted = UInt32(bitPattern: ares_getsock(channel, &sockets, CInt(most)))
    var polled: [pollfd] = []
    for index in 0..<most {
      let reads = wanted & 1 << index != 0
      let writes = wanted & 1 << (index + most) != 0
      guard reads || writes else { continue }
      let events = (reads ? POLLIN : 0) | (writes ? POLLOUT : 0)
      polled.append(pollfd(fd: sockets[index], events: Int16(events), revents: 0))
    }
    var left = timeval()
    ares_timeout(channel, nil, &left)
    _ = poll(&polled, nfds_t(polled.count), CInt(left.tv_sec * 1000 + left.tv_usec / 1000 + 1))
    // Also without any socket: that is how it finds that time is over.
    ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD)
    for socket in polled where socket.revents != 0 {
      // An error shows when it is read or written.
      let failed = socket.revents & Int16(POLLERR | POLLHUP) != 0
      let reads = failed || socket.revents & Int16(POLLIN) != 0
      let writes = socket.revents & Int16(POLLOUT) != 0
      ares_process_fd(channel, reads ? socket.fd : ARES_SOCKET_BAD, writes ? socket.fd : ARES_SOCKET_BAD)
    }
  }
}
