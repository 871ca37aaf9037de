import NIOCore
import TestSupport
import Testing

@testable import Relay

/// Two sessions that talk to each other while everything that may happen does, in an order that only looks random.
@Suite(.timeLimit(.minutes(3)))
struct YamuxPairTests {
  @Test(arguments: 1...40 as ClosedRange<UInt64>)
  func deliverEverythingInOrder(seed: UInt64) throws {
    var pair = Pair(seed: seed)
    do {
      for _ in 0..<900 { try pair.step() }
      try pair.end()
    } catch {
      Issue.record("seed \(seed): \(error)")
    }
    for fault in pair.faults() { Issue.record("seed \(seed): \(fault)") }
  }
}

/// Both sides, and what is on its way between them.
private struct Pair {
  /// What one side knows of a stream.
  struct Half {
    /// In bytes.
    var sent = 0
    var received = 0
    /// What of it is not consumed.
    var waiting = 0
    var wasOpened = false
    var isFinishing = false
    /// How often the other side's end was told.
    var ends = 0
    /// Given up by this side, or told by the other that it has.
    var isReset = false
  }

  struct Side {
    var session: YamuxSession
    var halves: [UInt32: Half] = [:]
    /// What it has sent that has not arrived.
    var wire = ByteBuffer()
    var wentAway = false
    var faults: [String] = []

    init(_ role: YamuxSession.Role) {
      var limits = YamuxSession.Limits()
      limits.window = 1 << 20
      limits.streams = 12
      limits.unacknowledged = 5
      limits.pingInterval = .milliseconds(20)
      limits.pingPatience = .hours(1)
      session = YamuxSession(role, limits: limits)
    }
  }

  var sides = [Side(.client), Side(.server)]
  var random: SeededGenerator
  var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
  /// Some peers read little at a time.
  let largestPiece: Int

  init(seed: UInt64) {
    random = SeededGenerator(seed: seed)
    largestPiece = [16, 1000, 30_000, 200_000].randomElement(using: &random)!
  }

  // MARK: One thing at a time

  mutating func step() throws {
    now = now + .microseconds(.random(in: 0...900, using: &random))
    let index = Int.random(in: 0...1, using: &random)
    switch Int.random(in: 0..<100, using: &random) {
    case 0..<5: open(index)
    case 5..<25: send(index)
    case 25..<29: if let id = stream(of: index) { finish(id, index) }
    case 29..<30: if let id = stream(of: index) { reset(id, index) }
    case 30..<45: consume(index)
    case 45..<50: try sides[index].session.tick(now: now)
    case 50..<75: write(index)
    default: try deliver(from: index, atMost: .random(in: 1...largestPiece, using: &random))
    }
    // Seldom, and late.
    if Int.random(in: 0..<2000, using: &random) == 0 { sides[index].session.goAway(.done) }
  }

  /// Ends all streams, and delivers until there is nothing left.
  mutating func end() throws {
    for index in 0...1 { for id in sides[index].halves.keys.sorted() { finish(id, index) } }
    var isQuiet = false
    while !isQuiet {
      isQuiet = true
      for index in 0...1 {
        while write(index) {}
        if sides[index].wire.readableBytes > 0 { isQuiet = false }
        try deliver(from: index, atMost: .max)
        for id in sides[1 - index].halves.keys {
          consume(.max, of: id, 1 - index)
          finish(id, 1 - index)
        }
      }
    }
  }

  private mutating func stream(of index: Int) -> UInt32? {
    sides[index].halves.keys.sorted().randomElement(using: &random)
  }

  private mutating func open(_ index: Int) {
    let isOpenable = sides[index].session.canOpen
    let id = sides[index].session.open()
    if isOpenable != (id != nil) { sides[index].faults.append("canOpen is \(isOpenable), and open says \(id as Any)") }
    if let id { sides[index].halves[id] = Half() }
  }

  private mutating func send(_ index: Int) {
    guard let id = stream(of: index), let half = sides[index].halves[id], !half.isFinishing, !half.isReset else {
      return
    }
    guard sides[index].session.takesMore(id) || Bool.random(using: &random) else { return }
    let size = [1, 100, 5000, Content.period].randomElement(using: &random)!
    let count = Int.random(in: 1...size, using: &random)
    sides[index].session.send(Content.of(id, by: index, from: half.sent, count), on: id)
    sides[index].halves[id]?.sent += count
  }

  private mutating func finish(_ id: UInt32, _ index: Int) {
    guard sides[index].halves[id]?.isReset == false else { return }
    sides[index].halves[id]?.isFinishing = true
    sides[index].session.finish(id)
  }

  private mutating func reset(_ id: UInt32, _ index: Int) {
    let count = sides[index].session.streamCount
    sides[index].session.reset(id)
    // A stream that is over is not reset.
    if sides[index].session.streamCount < count { sides[index].halves[id]?.isReset = true }
  }

  private mutating func consume(_ index: Int) {
    guard let id = stream(of: index) else { return }
    consume(.random(in: 1...100_000, using: &random), of: id, index)
  }

  private mutating func consume(_ most: Int, of id: UInt32, _ index: Int) {
    guard let waiting = sides[index].halves[id]?.waiting, waiting > 0 else { return }
    let count = min(waiting, most)
    sides[index].session.consumed(count, of: id, now: now)
    sides[index].halves[id]?.waiting -= count
  }

  /// Takes a frame, unless too much is on its way.
  @discardableResult
  private mutating func write(_ index: Int) -> Bool {
    guard sides[index].wire.readableBytes < 200_000, let frame = sides[index].session.nextFrame() else { return false }
    var header = frame.header
    var next: YamuxSession.Frame?
    if header.kind == .data, Bool.random(using: &random) {
      next = sides[index].session.nextFrame()
      // As peers do that send the end of a stream with the last of its data.
      if let end = next?.header, end == YamuxHeader(.data, .fin, stream: header.stream) {
        header.flags.formUnion(end.flags)
        next = nil
      }
    }
    header.write(to: &sides[index].wire)
    if let data = frame.data { sides[index].wire.writeImmutableBuffer(data) }
    if let next {
      next.writeHeader(to: &sides[index].wire)
      if let data = next.data { sides[index].wire.writeImmutableBuffer(data) }
    }
    return true
  }

  private mutating func deliver(from index: Int, atMost most: Int) throws {
    let count = min(most, sides[index].wire.readableBytes)
    guard count > 0, let piece = sides[index].wire.readSlice(length: count) else { return }
    sides[index].wire.discardReadBytes()
    sides[1 - index].session.receive(piece)
    while let event = try sides[1 - index].session.nextEvent(now: now) { take(event, 1 - index) }
  }

  // MARK: What is told

  private mutating func take(_ event: YamuxSession.Event, _ index: Int) {
    switch event {
    case .opened(let id):
      if sides[index].halves[id] != nil { sides[index].faults.append("stream \(id) is opened twice") }
      sides[index].halves[id] = Half(wasOpened: true)
    case .data(let id, let data):
      change(id, index, "data") { half in
        let isRight = data == Content.of(id, by: 1 - index, from: half.received, data.readableBytes)
        half.received += data.readableBytes
        half.waiting += data.readableBytes
        return isRight && half.ends == 0
      }
    case .finished(let id):
      change(id, index, "an end") {
        $0.ends += 1
        return $0.ends == 1
      }
    case .reset(let id):
      change(id, index, "a reset") {
        $0.isReset = true
        return true
      }
    case .drained(let id):
      change(id, index, "room") { !$0.isFinishing || $0.sent > 0 }
    case .wentAway:
      if sides[index].wentAway { sides[index].faults.append("it went away twice") }
      sides[index].wentAway = true
    }
  }

  private mutating func change(_ id: UInt32, _ index: Int, _ what: String, _ body: (inout Half) -> Bool) {
    guard var half = sides[index].halves[id], !half.isReset else {
      sides[index].faults.append("\(what) on stream \(id), which is not there")
      return
    }
    if !body(&half) { sides[index].faults.append("wrong \(what) on stream \(id) after \(half)") }
    if half.waiting > 1 << 20 { sides[index].faults.append("\(half.waiting) bytes wait on stream \(id)") }
    sides[index].halves[id] = half
  }

  /// What is wrong after the end.
  func faults() -> [String] {
    var faults = sides.flatMap(\.faults)
    for (side, other) in [(sides[0], sides[1]), (sides[1], sides[0])] {
      if side.session.streamCount > 0 { faults.append("\(side.session.streamCount) streams are left") }
      for (id, half) in side.halves {
        guard let its = other.halves[id] else {
          // Refused, as too many were open or as the other side goes away.
          if !half.isReset { faults.append("stream \(id) was never told") }
          continue
        }
        if half.received > its.sent { faults.append("stream \(id): more was received than sent") }
        if half.isReset || its.isReset { continue }
        if half.received != its.sent { faults.append("stream \(id): \(half.received) of \(its.sent) bytes came") }
        if half.ends != 1 { faults.append("stream \(id): its end was told \(half.ends) times") }
      }
    }
    return faults
  }
}

/// What is sent: for each stream and side something else, which is found by its place.
private enum Content {
  static let period = 70_001

  private static let twice: ByteBuffer = {
    var random = SeededGenerator(seed: 1)
    var bytes = ByteBuffer()
    for _ in 0...period / 8 { bytes.writeInteger(random.next()) }
    let once = bytes.getSlice(at: 0, length: period)!
    return ByteBuffer(bytes: Array(once.readableBytesView) + Array(once.readableBytesView))
  }()

  static func of(_ stream: UInt32, by side: Int, from offset: Int, _ count: Int) -> ByteBuffer {
    var whole = ByteBuffer()
    var offset = offset
    var count = count
    while count > 0 {
      let piece = min(count, period)
      let start = (Int(stream) * 7919 + side * 31_013 + offset) % period
      whole.writeImmutableBuffer(twice.getSlice(at: start, length: piece)!)
      offset += piece
      count -= piece
    }
    return whole
  }
}
