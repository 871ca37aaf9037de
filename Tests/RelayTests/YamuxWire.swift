import NIOCore

@testable import Relay

/// Frames as a peer writes them.
enum Wire {
  static func data(_ text: String = "", on stream: UInt32, _ flags: YamuxHeader.Flags = []) -> [UInt8] {
    frame(.data, flags, stream, UInt32(text.utf8.count)) + Array(text.utf8)
  }

  static func data(_ count: Int, on stream: UInt32, _ flags: YamuxHeader.Flags = []) -> [UInt8] {
    frame(.data, flags, stream, UInt32(count)) + [UInt8](repeating: 0x2a, count: count)
  }

  static func window(_ count: UInt32 = 0, on stream: UInt32, _ flags: YamuxHeader.Flags = []) -> [UInt8] {
    frame(.windowUpdate, flags, stream, count)
  }

  static func ping(_ value: UInt32, _ flags: YamuxHeader.Flags = .syn) -> [UInt8] {
    frame(.ping, flags, 0, value)
  }

  static func goAway(_ reason: UInt32 = 0) -> [UInt8] {
    frame(.goAway, [], 0, reason)
  }

  static func joined(_ frames: [[UInt8]]) -> ByteBuffer {
    frames.reduce(into: ByteBuffer()) { $0.writeBytes($1) }
  }

  static func frame(
    _ kind: YamuxHeader.Kind, _ flags: YamuxHeader.Flags, _ stream: UInt32, _ length: UInt32
  ) -> [UInt8] {
    var buffer = ByteBuffer()
    YamuxHeader(kind, flags, stream: stream, length: length).write(to: &buffer)
    return Array(buffer.readableBytesView)
  }
}

extension YamuxSession {
  /// Takes what a peer has sent, and tells all that it means.
  mutating func events(
    of bytes: [UInt8]..., now: NIODeadline = .uptimeNanoseconds(0)
  ) throws(YamuxViolation) -> [Event] {
    receive(Wire.joined(bytes))
    return try events(now: now)
  }

  mutating func events(now: NIODeadline = .uptimeNanoseconds(0)) throws(YamuxViolation) -> [Event] {
    var events: [Event] = []
    while let event = try nextEvent(now: now) { events.append(event) }
    return events
  }

  /// All that is to be sent.
  mutating func frames() -> [Frame] {
    var frames: [Frame] = []
    while let frame = nextFrame() { frames.append(frame) }
    return frames
  }

  /// All that is to be sent, as bytes.
  mutating func bytes() -> [UInt8] {
    frames().flatMap { frame in
      var buffer = ByteBuffer()
      frame.writeHeader(to: &buffer)
      if let data = frame.data { buffer.writeImmutableBuffer(data) }
      return Array(buffer.readableBytesView)
    }
  }

  /// What is wrong with what a peer has sent; nil when nothing is.
  mutating func violation(of bytes: [UInt8]...) -> String? {
    receive(Wire.joined(bytes))
    do {
      _ = try events()
      return nil
    } catch {
      return error.description
    }
  }
}

extension YamuxSession.Role {
  static let both: [YamuxSession.Role] = [.client, .server]

  /// The first stream that this side opens.
  var first: UInt32 { self == .client ? 1 : 2 }
  /// The first stream that the other side opens.
  var peers: UInt32 { 3 - first }
}
