public import NIOCore

/// One side of a yamux session (hashicorp's specification, version 0): what the peer sent goes in, events and frames come out.
///
/// It does no I/O and has no clock. ``receive(_:)`` takes bytes as they come; ``nextEvent(now:)`` tells what they mean, one event
/// at a time, until there is none. ``nextFrame()`` has what is to be sent; who takes frames only while the peer does holds back by
/// that whoever calls ``send(_:on:)``, stream by stream: a stream takes more after its ``Event/drained(_:)``.
public struct YamuxSession {
  /// Who opened the connection; its streams have odd identifiers, those of the other side even ones.
  public enum Role: Sendable {
    case client
    case server
  }

  public typealias StreamID = UInt32

  /// Something that happened to a stream or to the session.
  public enum Event: Hashable {
    /// The peer has opened a stream.
    case opened(StreamID)
    /// The peer has sent this; it sends more as ``YamuxSession/consumed(_:of:now:)`` is called.
    case data(StreamID, ByteBuffer)
    /// The peer sends nothing more on the stream. Once both have said so, the stream is gone.
    case finished(StreamID)
    /// The peer has given the stream up; it is gone.
    case reset(StreamID)
    /// All that was to be sent on the stream has been taken: it takes more.
    case drained(StreamID)
    /// The peer opens and takes no further streams; those that there are go on.
    case wentAway
  }

  /// What is to be sent.
  public struct Frame: Hashable {
    let header: YamuxHeader
    /// Of a frame with data.
    public let data: ByteBuffer?

    /// Appends the header's 12 bytes.
    public func writeHeader(to buffer: inout ByteBuffer) { header.write(to: &buffer) }
  }

  /// What a peer may make of a session.
  public struct Limits: Sendable {
    /// To how many bytes a stream's window may grow, 256 KiB at least.
    public var window: UInt32 = 16 << 20
    /// How many streams the peer may have open.
    public var streams = 1024
    /// How many streams may wait for the peer's acceptance: further ones cannot be opened.
    public var unacknowledged = 256
    /// How many answers may wait until the peer takes them: more than streams that Go's library opens at the same time, and pings.
    public var answers = 1024
    /// How often the peer is asked whether it is there.
    public var pingInterval = TimeAmount.seconds(15)
    /// How long it may take to answer.
    public var pingPatience = TimeAmount.seconds(10)

    public init() {}
  }

  /// The window that every stream begins with (specification): 256 KiB.
  static let initialWindow: UInt32 = 256 << 10
  /// How many of the streams that the peer has not opened yet it may open later: as many as Go's library opens at the same time.
  static let maximumSkipped = 256
  /// The most data in one frame, so that streams take turns.
  static let maximumData = 64 << 10

  fileprivate struct Stream {
    /// What may be sent.
    var sendWindow = YamuxSession.initialWindow
    /// What the peer may send.
    var receiveWindow = YamuxSession.initialWindow
    /// What the peer may have sent that is not consumed.
    var window = YamuxSession.initialWindow
    /// What has been consumed that the peer may send anew, and has not been told.
    var credit: UInt32 = 0
    /// When the peer was told last.
    var lastUpdate: NIODeadline?
    /// What is to be sent; empty when a further buffer may come.
    var pending = ByteBuffer()
    /// Whether it stands in ``YamuxSession/sending``.
    var isSending = false
    /// Whether it stands in ``YamuxSession/updates``.
    var isUpdating = false
    var isAcknowledged = false
    /// Nothing is to be sent after what is pending.
    var isFinishing = false
    var hasFinished = false
    var peerHasFinished = false
  }

  private let role: Role
  private let limits: Limits
  private let budget: WindowBudget
  private var streams: [StreamID: Stream] = [:]
  /// The stream that is opened next; nil when all identifiers are used up.
  private var nextStream: StreamID?
  /// The highest one that the peer opened; 0 for none.
  private var lastOpened: StreamID = 0
  /// Those below that the peer has not opened yet, in ascending order: Go's library opens streams in any order when many are
  /// opened at the same time.
  private var skipped = CircularBuffer<StreamID>()
  /// How many of the streams are the peer's.
  private var openedByPeer = 0
  private var unacknowledged = 0

  private var inbound = ByteBuffer()
  /// The beginning of a header whose rest has not come.
  private var fragment = ByteBuffer()
  /// Whose data comes; nil for that of a stream that is gone.
  private var receiving: StreamID?
  /// How much of it is to come.
  private var remaining: UInt32 = 0
  /// Whether the stream whose data comes has no more after it.
  private var finishesAfterData = false
  private var happened = CircularBuffer<Event>()

  /// What the peer's frames ask for.
  private var answers = CircularBuffer<YamuxHeader>()
  /// What this side has to say.
  private var notices = CircularBuffer<YamuxHeader>()
  private var updates = CircularBuffer<StreamID>()
  private var sending = CircularBuffer<StreamID>()
  /// Why this side opens and takes no further streams; nil when it does.
  private var goesAway: GoAwayReason?
  private var peerWentAway = false

  private var pingValue: UInt32 = 0
  /// When the last question was asked that has not been answered.
  private var asked: NIODeadline?
  /// When the peer was heard last: on a slow line an answer may stand behind much else.
  private var heard: NIODeadline?
  private var nextPing: NIODeadline?
  /// The shortest time in which the peer has answered.
  private(set) var roundTrip: TimeAmount?

  /// - Parameter budget: out of which the windows of its streams grow.
  public init(_ role: Role, limits: Limits = Limits(), budget: WindowBudget = WindowBudget(.max)) {
    self.role = role
    self.limits = limits
    self.budget = budget
    nextStream = role == .client ? 1 : 2
  }

  // MARK: Streams

  /// How many streams there are.
  public var streamCount: Int { streams.count }

  /// Whether ``open()`` opens a stream.
  public var canOpen: Bool {
    !peerWentAway && goesAway == nil && nextStream != nil && unacknowledged < limits.unacknowledged
      && notices.count < limits.unacknowledged
  }

  /// Opens a stream; nil when one of the two sides goes away, when too many wait for the peer's acceptance, and when all
  /// identifiers are used up.
  public mutating func open() -> StreamID? {
    guard canOpen, let id = nextStream else { return nil }
    let (next, isOver) = id.addingReportingOverflow(2)
    nextStream = isOver ? nil : next
    streams[id] = Stream()
    unacknowledged += 1
    notices.append(YamuxHeader(.windowUpdate, .syn, stream: id))
    return id
  }

  /// Sends on a stream. What is more than the peer's window waits; for one stream's sake no other does. On a stream that is gone
  /// it does nothing.
  public mutating func send(_ data: ByteBuffer, on id: StreamID) {
    guard data.readableBytes > 0 else { return }
    change(id) { stream in
      precondition(!stream.isFinishing, "sent after the end")
      if stream.pending.readableBytes == 0 {
        stream.pending = data
      } else {
        stream.pending.writeImmutableBuffer(data)
      }
    }
  }

  /// Sends nothing more on a stream, after what is pending.
  public mutating func finish(_ id: StreamID) {
    change(id) { $0.isFinishing = true }
  }

  /// Gives a stream up, with all that is pending.
  public mutating func reset(_ id: StreamID) {
    guard remove(id) != nil else { return }
    // Nothing more is told of it.
    happened.removeAll { $0 == .drained(id) || $0 == .finished(id) }
    notices.append(YamuxHeader(.windowUpdate, .rst, stream: id))
  }

  /// Whether what was sent on a stream is on its way, so that it takes more.
  public func takesMore(_ id: StreamID) -> Bool { streams[id]?.pending.readableBytes == 0 }

  /// Lets the peer send more on a stream, as `count` bytes of its data are out of the way.
  public mutating func consumed(_ count: Int, of id: StreamID, now: NIODeadline) {
    guard count > 0, let index = streams.index(forKey: id) else { return }
    streams.values[index].consume(
      UInt32(count), now: now, roundTrip: roundTrip, limit: limits.window, budget: budget)
    guard !streams.values[index].isUpdating, streams.values[index].owesUpdate else { return }
    streams.values[index].isUpdating = true
    updates.append(id)
  }

  /// Changes what is to be sent on a stream, and has it take its turn.
  private mutating func change(_ id: StreamID, _ body: (inout Stream) -> Void) {
    guard let index = streams.index(forKey: id) else { return }
    body(&streams.values[index])
    schedule(id, at: index)
  }

  /// Has a stream that can send something take its turn.
  private mutating func schedule(_ id: StreamID, at index: Dictionary<StreamID, Stream>.Index) {
    guard !streams.values[index].isSending, streams.values[index].canSend else { return }
    streams.values[index].isSending = true
    sending.append(id)
  }

  private mutating func remove(_ id: StreamID) -> Stream? {
    guard let stream = streams.removeValue(forKey: id) else { return nil }
    budget.giveBack(Int(stream.window - Self.initialWindow))
    if isPeers(id) { openedByPeer -= 1 } else if !stream.isAcknowledged { unacknowledged -= 1 }
    return stream
  }

  private func isPeers(_ id: StreamID) -> Bool { (id % 2 == 1) == (role == .server) }

  /// Whether a stream of that name has been there.
  private func hasBeenOpened(_ id: StreamID) -> Bool {
    if isPeers(id) { return id != 0 && id <= lastOpened && !skipped.contains(id) }
    return id != 0 && nextStream.map { id < $0 } ?? true
  }

  // MARK: The session

  /// Opens and takes no further streams. Those that there are go on. The peer is told once, and once more when something was
  /// wrong after all.
  public mutating func goAway(_ reason: GoAwayReason) {
    guard goesAway == nil || (goesAway == .done && reason != .done) else { return }
    goesAway = reason
    notices.append(YamuxHeader(.goAway, stream: 0, length: reason.rawValue))
  }

  public enum GoAwayReason: UInt32, Sendable {
    case done
    case protocolViolation
    case internalError
  }

  /// Asks the peer whether it is there when it is time to, at first at once.
  ///
  /// - Returns: when it is to be called next.
  /// - Throws: ``YamuxViolation`` when the peer has not answered in time.
  @discardableResult
  public mutating func tick(now: NIODeadline) throws(YamuxViolation) -> NIODeadline {
    if let asked {
      let patient = max(asked, heard ?? asked) + limits.pingPatience
      guard now < patient else {
        throw YamuxViolation("no answer to a ping within \(limits.pingPatience.nanoseconds / 1_000_000_000) s")
      }
      return patient
    }
    if let nextPing, now < nextPing { return nextPing }
    asked = now
    pingValue &+= 1
    notices.append(YamuxHeader(.ping, .syn, stream: 0, length: pingValue))
    return now + limits.pingPatience
  }

  // MARK: In

  /// Takes what the peer has sent, after what came before.
  public mutating func receive(_ bytes: ByteBuffer) {
    if inbound.readableBytes == 0 { inbound = bytes } else { inbound.writeImmutableBuffer(bytes) }
  }

  /// What has happened next; nil when nothing more is known.
  ///
  /// - Throws: ``YamuxViolation``; then the session is to be left, after ``goAway(_:)``.
  public mutating func nextEvent(now: NIODeadline) throws(YamuxViolation) -> Event? {
    if inbound.readableBytes > 0 { heard = now }
    while true {
      if let event = happened.popFirst() { return event }
      if remaining > 0 {
        guard inbound.readableBytes > 0 else { return nil }
        if let event = takeData() { return event }
        continue
      }
      guard var header = takeHeader() else { return nil }
      try take(YamuxHeader(takenFrom: &header), now: now)
    }
  }

  /// Takes what has come of a frame's data; nil for that of a stream that is gone.
  private mutating func takeData() -> Event? {
    guard let data = inbound.readSlice(length: min(Int(remaining), inbound.readableBytes)) else { return nil }
    remaining -= UInt32(data.readableBytes)
    let isLast = remaining == 0 && finishesAfterData
    if isLast { finishesAfterData = false }
    guard let id = receiving, streams[id] != nil else { return nil }
    if isLast { takeFinish(id) }
    return .data(id, data)
  }

  private mutating func takeHeader() -> ByteBuffer? {
    if fragment.readableBytes == 0, let header = inbound.readSlice(length: YamuxHeader.size) { return header }
    let missing = min(YamuxHeader.size - fragment.readableBytes, inbound.readableBytes)
    guard missing > 0, var slice = inbound.readSlice(length: missing) else { return nil }
    fragment.writeBuffer(&slice)
    guard fragment.readableBytes == YamuxHeader.size else { return nil }
    defer { fragment.clear() }
    return fragment
  }

  private mutating func take(_ header: YamuxHeader, now: NIODeadline) throws(YamuxViolation) {
    switch header.kind {
    case .data, .windowUpdate: try takeStreamFrame(header)
    case .ping: try takePing(header, now: now)
    case .goAway:
      guard header.length == GoAwayReason.done.rawValue else {
        throw YamuxViolation("the peer ended the session with go away \(header.length)")
      }
      guard !peerWentAway else { return }
      peerWentAway = true
      happened.append(.wentAway)
    }
  }

  private mutating func takePing(_ header: YamuxHeader, now: NIODeadline) throws(YamuxViolation) {
    if header.flags.contains(.syn) {
      answers.append(YamuxHeader(.ping, .ack, stream: 0, length: header.length))
      try checkAnswers()
    } else if header.flags.contains(.ack), header.length == pingValue, let asked {
      self.asked = nil
      nextPing = now + limits.pingInterval
      roundTrip = min(roundTrip ?? .hours(1), now - asked)
    }
  }

  private func checkAnswers() throws(YamuxViolation) {
    guard answers.count <= limits.answers else {
      throw YamuxViolation("more than \(limits.answers) answers are not taken")
    }
  }

  private mutating func takeStreamFrame(_ header: YamuxHeader) throws(YamuxViolation) {
    let id = header.stream
    if header.flags.contains(.syn) { try takeOpening(id) }
    guard let index = streams.index(forKey: id) else {
      guard hasBeenOpened(id) else { throw YamuxViolation("stream \(id) was never opened") }
      // It is gone for us, and the peer does not know yet.
      if header.kind == .data {
        guard header.length <= limits.window else {
          throw YamuxViolation("\(header.length) bytes are above the window")
        }
        receiving = nil
        remaining = header.length
      }
      return
    }
    if header.flags.contains(.ack), !isPeers(id), !streams.values[index].isAcknowledged {
      streams.values[index].isAcknowledged = true
      unacknowledged -= 1
    }
    if header.flags.contains(.rst) {
      _ = remove(id)
      happened.append(.reset(id))
      if header.kind == .data {
        receiving = nil
        remaining = header.length
      }
      return
    }
    switch header.kind {
    case .data where header.length > 0:
      guard !streams.values[index].peerHasFinished else { throw YamuxViolation("data after the end of stream \(id)") }
      guard header.length <= streams.values[index].receiveWindow else {
        throw YamuxViolation("\(header.length) bytes on stream \(id) are above its window")
      }
      streams.values[index].receiveWindow -= header.length
      receiving = id
      remaining = header.length
    case .windowUpdate where header.length > 0:
      let (window, isOver) = streams.values[index].sendWindow.addingReportingOverflow(header.length)
      guard !isOver else { throw YamuxViolation("the window of stream \(id) is above 4 GiB") }
      streams.values[index].sendWindow = window
      schedule(id, at: index)
    default: break
    }
    if header.flags.contains(.fin), !streams.values[index].peerHasFinished {
      streams.values[index].peerHasFinished = true
      // Told once its data has come.
      if remaining > 0 { finishesAfterData = true } else { takeFinish(id) }
    }
  }

  private mutating func takeOpening(_ id: StreamID) throws(YamuxViolation) {
    guard isPeers(id), id != 0 else { throw YamuxViolation("stream \(id) is not the peer's to open") }
    guard noteOpening(id) else { throw YamuxViolation("stream \(id) is opened a second time") }
    guard goesAway == nil, openedByPeer < limits.streams else {
      answers.append(YamuxHeader(.windowUpdate, .rst, stream: id))
      return try checkAnswers()
    }
    streams[id] = Stream(isAcknowledged: true)
    openedByPeer += 1
    answers.append(YamuxHeader(.windowUpdate, .ack, stream: id))
    happened.append(.opened(id))
    try checkAnswers()
  }

  /// Remembers that the peer has opened a stream, and which ones it has skipped; false when it had opened it before.
  private mutating func noteOpening(_ id: StreamID) -> Bool {
    guard id > lastOpened else {
      guard let index = skipped.firstIndex(of: id) else { return false }
      skipped.remove(at: index)
      return true
    }
    let first = lastOpened == 0 ? 2 - id % 2 : lastOpened + 2
    let count = min((id - first) / 2, UInt32(Self.maximumSkipped))
    skipped.append(contentsOf: stride(from: id - 2 * count, to: id, by: 2))
    skipped.removeFirst(max(0, skipped.count - Self.maximumSkipped))
    lastOpened = id
    return true
  }

  /// The peer sends nothing more on a stream.
  private mutating func takeFinish(_ id: StreamID) {
    happened.append(.finished(id))
    if streams[id]?.hasFinished == true { _ = remove(id) }
  }

  // MARK: Out

  /// What is to be sent next; nil when there is nothing.
  public mutating func nextFrame() -> Frame? {
    if let header = answers.popFirst() ?? notices.popFirst() { return Frame(header: header, data: nil) }
    while let id = updates.popFirst() {
      guard let index = streams.index(forKey: id) else { continue }
      let credit = streams.values[index].takeCredit()
      return Frame(header: YamuxHeader(.windowUpdate, stream: id, length: credit), data: nil)
    }
    while let id = sending.popFirst() {
      guard let index = streams.index(forKey: id) else { continue }
      streams.values[index].isSending = false
      // The end has a frame of its own: Go's library takes it before the data that it comes with, which are lost at times.
      if let data = streams.values[index].takeData() {
        schedule(id, at: index)
        let isDrained = streams.values[index].pending.readableBytes == 0 && !streams.values[index].isFinishing
        if isDrained { happened.append(.drained(id)) }
        return Frame(header: YamuxHeader(.data, stream: id, length: UInt32(data.readableBytes)), data: data)
      }
      streams.values[index].hasFinished = true
      // Unless the last of its data is on the way.
      if streams.values[index].peerHasFinished, receiving != id || remaining == 0 { _ = remove(id) }
      return Frame(header: YamuxHeader(.data, .fin, stream: id), data: nil)
    }
    return nil
  }
}

extension YamuxSession.Stream {
  /// Whether a frame can be sent: some data, or the end.
  fileprivate var canSend: Bool {
    if pending.readableBytes > 0 { return sendWindow > 0 }
    return isFinishing && !hasFinished
  }

  /// As much of what is pending as one frame may have.
  fileprivate mutating func takeData() -> ByteBuffer? {
    let count = min(pending.readableBytes, Int(sendWindow), YamuxSession.maximumData)
    guard count > 0, let data = pending.readSlice(length: count) else { return nil }
    sendWindow -= UInt32(count)
    if pending.readableBytes == 0 { pending = ByteBuffer() }
    return data
  }

  /// - Parameters:
  ///   - roundTrip: how long the peer takes to answer, as far as is known.
  ///   - limit: of the window.
  ///   - budget: out of which it grows.
  fileprivate mutating func consume(
    _ count: UInt32, now: NIODeadline, roundTrip: TimeAmount?, limit: UInt32, budget: WindowBudget
  ) {
    credit += count
    guard owesUpdate else { return }
    // A window that is used up in a few round trips is what holds the peer up.
    if !isUpdating, let roundTrip, let lastUpdate, window < limit, now - lastUpdate < roundTrip * 4 {
      let growth = min(window, limit - window)
      if budget.take(Int(growth)) {
        credit += growth
        window += growth
      }
    }
    lastUpdate = now
  }

  /// Whether the peer is to be told how much more it may send.
  fileprivate var owesUpdate: Bool { !peerHasFinished && credit >= window / 2 }

  fileprivate mutating func takeCredit() -> UInt32 {
    isUpdating = false
    defer { credit = 0 }
    receiveWindow += credit
    return credit
  }
}
