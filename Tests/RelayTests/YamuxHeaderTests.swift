import NIOCore
import Testing

@testable import Relay

@Suite(.timeLimit(.minutes(3)))
struct YamuxHeaderTests {
  @Test(
    arguments: [
      (YamuxHeader(.windowUpdate, .syn, stream: 1), [0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0]),
      (YamuxHeader(.windowUpdate, .ack, stream: 2, length: 0x0102_0304), [0, 1, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4]),
      (YamuxHeader(.data, stream: 0x0a0b_0c0d, length: 5), [0, 0, 0, 0, 10, 11, 12, 13, 0, 0, 0, 5]),
      (YamuxHeader(.data, .fin, stream: 3), [0, 0, 0, 4, 0, 0, 0, 3, 0, 0, 0, 0]),
      (YamuxHeader(.windowUpdate, .rst, stream: .max), [0, 1, 0, 8, 255, 255, 255, 255, 0, 0, 0, 0]),
      (YamuxHeader(.data, [.syn, .fin], stream: 7, length: .max), [0, 0, 0, 5, 0, 0, 0, 7, 255, 255, 255, 255]),
      (YamuxHeader(.ping, .syn, stream: 0, length: 0xfedc_ba98), [0, 2, 0, 1, 0, 0, 0, 0, 254, 220, 186, 152]),
      (YamuxHeader(.goAway, stream: 0, length: 1), [0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
      (YamuxHeader(.data, YamuxHeader.Flags(rawValue: 0xfff0), stream: 1), [0, 0, 255, 240, 0, 0, 0, 1, 0, 0, 0, 0]),
    ] as [(YamuxHeader, [UInt8])])
  func isTwelveBytes(header: YamuxHeader, bytes: [UInt8]) throws {
    var buffer = ByteBuffer()
    header.write(to: &buffer)
    #expect(Array(buffer.readableBytesView) == bytes)

    buffer.writeString("data")
    #expect(try YamuxHeader(takenFrom: &buffer) == header)
    #expect(buffer == ByteBuffer(string: "data"))
  }

  @Test(
    arguments: [
      (1, 0, "version 1 is not known"), (255, 3, "version 255 is not known"), (0, 4, "a frame of kind 4 is not known"),
      (0, 255, "a frame of kind 255 is not known"), (2, 9, "version 2 is not known"),
    ] as [(UInt8, UInt8, String)])
  func refusesWhatItDoesNotKnow(version: UInt8, kind: UInt8, text: String) {
    var buffer = ByteBuffer(bytes: [version, kind] + [UInt8](repeating: 0, count: 10))
    #expect(throws: YamuxViolation(text)) { try YamuxHeader(takenFrom: &buffer) }
  }
}
