import NIOCore

/// The 12 bytes before a frame's data, all numbers big-endian (yamux specification, version 0).
struct YamuxHeader: Hashable {
  enum Kind: UInt8 {
    /// `length` bytes of a stream follow.
    case data
    /// The receiver may send `length` bytes more on a stream.
    case windowUpdate
    /// A question whose answer has the same `length`.
    case ping
    /// The sender opens and takes no further stream; `length` says why.
    case goAway
  }

  struct Flags: OptionSet, Hashable {
    let rawValue: UInt16

    /// Opens a stream; asks, in a ping.
    static let syn = Flags(rawValue: 1)
    /// Accepts a stream; answers, in a ping.
    static let ack = Flags(rawValue: 2)
    /// The sender sends nothing more on the stream.
    static let fin = Flags(rawValue: 4)
    /// The stream is gone.
    static let rst = Flags(rawValue: 8)
  }

  /// In bytes.
  static let size = 12

  var kind: Kind
  var flags: Flags = []
  /// 0 for the session itself.
  var stream: UInt32
  var length: UInt32

  init(_ kind: Kind, _ flags: Flags = [], stream: UInt32, length: UInt32 = 0) {
    self.kind = kind
    self.flags = flags
    self.stream = stream
    self.length = length
  }

  /// Takes a header off a buffer that has at least its 12 bytes.
  ///
  /// - Throws: ``YamuxViolation`` for another version and for a kind that there is not.
  init(takenFrom buffer: inout ByteBuffer) throws(YamuxViolation) {
    guard
      let (version, kind, flags, stream, length) =
        buffer.readMultipleIntegers(as: (UInt8, UInt8, UInt16, UInt32, UInt32).self)
    else { preconditionFailure("a header has \(Self.size) bytes") }
    guard version == 0 else { throw YamuxViolation("version \(version) is not known") }
    guard let kind = Kind(rawValue: kind) else { throw YamuxViolation("a frame of kind \(kind) is not known") }
    self.init(kind, Flags(rawValue: flags), stream: stream, length: length)
  }

  func write(to buffer: inout ByteBuffer) {
    buffer.writeMultipleIntegers(0 as UInt8, kind.rawValue, flags.rawValue, stream, length)
  }
}

/// What a peer did that the yamux specification does not allow. The session ends.
public struct YamuxViolation: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String

  init(_ description: String) { self.description = description }
}
