import CAres
import Glibc
import ProxyConfig

/// A question for the TXT records of a name, put to one server over UDP, and over TCP when the answer is too long for that.
///
/// Made for one question and its answer at a time, in a process that has nothing else to do meanwhile; lookups that wait
/// for a resolver are the gateway's.
struct TXTQuestion {
  let name: Domain
  let server: IPAddress
  let port: UInt16

  enum Answer: Hashable, CustomStringConvertible {
    case values(Set<String>)
    /// Why there are none.
    case failure(String)

    var description: String {
      switch self {
      case .values(let values): "it has \(values.count) values, not the one that is presented"
      case .failure(let reason): reason
      }
    }
  }

  /// Asks once.
  ///
  /// - Parameter limit: how long to wait for an answer, at least a millisecond.
  func ask(within limit: Duration) -> Answer {
    guard let channel = makeChannel(limit) else { return .failure("out of memory") }
    defer { ares_destroy(channel) }
    let reply = Reply()
    let internet: CInt = 1
    let txt: CInt = 16
    ares_query(
      channel, name.rawValue, internet, txt,
      { argument, status, _, message, length in
        let reply = Unmanaged<Reply>.fromOpaque(argument!).takeUnretainedValue()
        reply.answer = TXTQuestion.answer(status, UnsafeBufferPointer(start: message, count: Int(length)))
      }, Unmanaged.passUnretained(reply).toOpaque())
    while reply.answer == nil { wait(channel) }
    return reply.answer!
  }

  private final class Reply {
    var answer: Answer?
  }

  private func makeChannel(_ limit: Duration) -> ares_channel? {
    guard Self.libraryIsReady else { return nil }
    var options = ares_options()
    options.flags =
      ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_NORECURSE | ARES_FLAG_EDNS
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
    guard ares_init_options(&channel, &options, given) == ARES_SUCCESS, let channel else { return nil }
    let address = server.isIPv4 ? "\(server):\(port)" : "[\(server)]:\(port)"
    guard ares_set_servers_ports_csv(channel, address) == ARES_SUCCESS else {
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

  private static func answer(_ status: CInt, _ message: UnsafeBufferPointer<UInt8>) -> Answer {
    guard status == ARES_SUCCESS else { return .failure(String(cString: ares_strerror(status))) }
    var first: UnsafeMutablePointer<ares_txt_reply>?
    let parsed = ares_parse_txt_reply(message.baseAddress, CInt(message.count), &first)
    guard parsed == ARES_SUCCESS else { return .failure(String(cString: ares_strerror(parsed))) }
    defer { ares_free_data(first) }
    var values: Set<String> = []
    var next = first
    while let record = next {
      values.insert(
        String(decoding: UnsafeBufferPointer(start: record.pointee.txt, count: record.pointee.length), as: UTF8.self))
      next = record.pointee.next
    }
    return .values(values)
  }
}
