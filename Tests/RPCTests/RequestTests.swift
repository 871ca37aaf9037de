import Testing

@testable import RPC

/// What is made of a payload: a call, a fault that can be answered, or one that cannot.
@Suite(.timeLimit(.minutes(5)))
struct RequestTests {
  static let id = "a2 4944 a2 6964"
  static let inputs = "a6 496e70757473 91 c4 01 05"
  static let object = "a6 4f626a656374 82 a4 4e616d65 a1 6f a7 56657273696f6e a1 31"
  static let replyTo = "a7 5265706c79546f a1 72"
  static let method = "a6 4d6574686f64 a1 6d"

  @Test(arguments: [
    "85 \(id) \(inputs) \(object) \(replyTo) \(method)",
    "85 \(method) \(replyTo) \(object) \(inputs) \(id)",
    "de 0005 \(id) \(inputs) \(object) \(replyTo) \(method)",
    // As an array, with the object as one too.
    "95 a2 6964 91 c4 01 05 92 a1 6f a1 31 a1 72 a1 6d",
    "96 a2 6964 91 c4 01 05 93 a1 6f a1 31 c0 a1 72 a1 6d c0",
    // Strings as binaries, binaries as strings.
    "85 a2 4944 c4 02 6964 a6 496e70757473 91 a1 05 \(object) a7 5265706c79546f c4 01 72 \(method)",
    // Unknown keys, also such that are no strings, in front, between and behind.
    "88 a1 78 81 01 02 \(id) \(inputs) 07 91 90 \(object) \(replyTo) \(method) c0 c0",
    "85 \(id) \(inputs) a6 4f626a656374 83 a4 4e616d65 a1 6f c3 00 a7 56657273696f6e a1 31 \(replyTo) \(method)",
    // With something behind it.
    "85 \(id) \(inputs) \(object) \(replyTo) \(method) c1",
  ])
  func sameRequestComesInManyForms(payload: String) throws {
    let request = try Request(hex(payload))
    #expect(request.id.elementsEqual("id".utf8))
    #expect(request.inputs.map(Array.init) == [[5]])
    #expect(request.object == ObjectID("o", version: "1"))
    #expect(request.method == "m")
    #expect(request.replyTo.key.elementsEqual("r".utf8))
  }

  @Test(arguments: [
    "81 \(replyTo)", "85 a2 4944 c0 a6 496e70757473 c0 a6 4f626a656374 c0 \(replyTo) a6 4d6574686f64 c0",
    "94 c0 c0 c0 a1 72", "95 a0 90 80 a1 72 a0", "95 a0 90 90 a1 72 a0",
  ])
  func missingAndNilFieldsAreEmpty(payload: String) throws {
    let request = try Request(hex(payload))
    #expect(request.id.isEmpty && request.inputs.isEmpty && request.method.isEmpty)
    #expect(request.object == ObjectID(""))
  }

  // MARK: Faults

  @Test(arguments: [
    ("82 a2 4944 05 \(replyTo)", "expecting string got integer"),
    ("82 \(replyTo) a2 4944 90", "expecting string got array"),
    ("82 a6 496e70757473 05 \(replyTo)", "expecting array got integer"),
    ("82 a6 496e70757473 91 05 \(replyTo)", "expecting string got integer"),
    ("82 a6 4f626a656374 a1 78 \(replyTo)", "expecting map got string"),
    ("82 a6 4f626a656374 81 a4 4e616d65 81 a0 90 \(replyTo)", "expecting string got map"),
    ("82 a6 4d6574686f64 c3 \(replyTo)", "expecting string got boolean"),
    ("82 a6 4d6574686f64 a1 ff \(replyTo)", "expecting string got bytes that are not UTF-8"),
    ("95 05 90 80 a1 72 a0", "expecting string got integer"),
    // Cut short behind the reply address.
    ("83 \(replyTo) a6 4d6574686f64", "the MessagePack value is cut short"),
    ("83 \(replyTo) \(id) a6 496e70757473 dd ffffffff", "the MessagePack value is cut short"),
    ("82 \(replyTo) a6 4d6574686f64 c1", "the byte 0xc1 is never used in MessagePack"),
    ("82 \(replyTo) a1 78 \(String(repeating: "91", count: 40)) 90", "arrays and maps are nested deeper than 32"),
  ])
  func faultBesideAReadableReplyAddressIsAnswered(payload: String, fault: String) {
    #expect(self.fault(payload) == .answerable("request does not decode: \(fault)", replyTo: "r"))
  }

  @Test(arguments: [
    ("", "the MessagePack value is cut short"),
    ("c1", "the byte 0xc1 is never used in MessagePack"),
    ("05", "expecting map got integer"),
    ("a5 68656c6c6f", "expecting map got string"),
    ("c0", "expecting map got nil"),
    ("80", "it names no list to reply to"),
    ("90", "it names no list to reply to"),
    ("84 \(id) \(inputs) \(object) \(method)", "it names no list to reply to"),
    ("81 a7 5265706c79546f a0", "it names no list to reply to"),
    ("81 a7 5265706c79546f c0", "it names no list to reply to"),
    ("81 a7 5265706c79546f 05", "expecting string got integer"),
    ("81 a7 5265706c79546f a2 72", "the MessagePack value is cut short"),
    ("dd ffffffff", "the MessagePack value is cut short"),
  ])
  func payloadWithoutAReplyAddressCannotBeAnswered(payload: String, why: String) {
    #expect(fault(payload) == .unanswerable(why))
  }

  @Test func requestCutShortAnywhereIsAnsweredOnceItsReplyAddressIsWhole() throws {
    let bytes = hex("85 \(Self.id) \(Self.replyTo) \(Self.inputs) \(Self.object) \(Self.method)")
    let addressEnd = hex("85 \(Self.id) \(Self.replyTo)").count
    for length in bytes.indices {
      switch fault(bytes[..<length].hex) {
      case .answerable(let why, let replyTo):
        #expect(length >= addressEnd && replyTo == "r")
        #expect(why == "request does not decode: the MessagePack value is cut short")
      case .unanswerable: #expect(length < addressEnd)
      case nil: Issue.record("\(length) bytes are a request")
      }
    }
  }

  @Test func identifierOfAFaultyRequestIsKept() {
    do throws(Request.Fault) {
      _ = try Request(hex("83 \(Self.id) \(Self.replyTo) a6 4d6574686f64 05"))
      Issue.record("it decodes")
    } catch {
      guard case .answerable(_, let id, _) = error else {
        Issue.record("\(error)")
        return
      }
      #expect(id.elementsEqual("id".utf8))
    }
  }

  // MARK: Reply addresses

  @Test(arguments: [
    "5ef3a1e0-0b5c-4a54-9d1a-0c8d6f0e7b11", "r", "a@b.c", "a.b", "a@b", "@", ".", String(repeating: "x", count: 256),
    "in-flight", "x-in-flight.y", "with space", "\0", "ä",
  ])
  func listMayBeRepliedTo(address: String) throws {
    #expect(try ReplyAddress(Array(address.utf8)[...]).key.elementsEqual(address.utf8))
  }

  @Test(arguments: [
    ("", "it names no list to reply to"),
    (String(repeating: "x", count: 257), "its reply address has 257 bytes, more than 256"),
    ("gateway.manager@0.0.1", "its reply address has the form of a module's queue"),
    ("a.b@c", "its reply address has the form of a module's queue"),
    (".@", "its reply address has the form of a module's queue"),
    ("a@b.c@d", "its reply address has the form of a module's queue"),
    ("gateway.in-flight.owner", "its reply address is one of a module's own keys"),
    ("gateway.in-flight.suspects", "its reply address is one of a module's own keys"),
  ])
  func listMustNotBeRepliedTo(address: String, why: String) {
    #expect { try ReplyAddress(Array(address.utf8)[...]) } throws: {
      ($0 as? ReplyAddress.Refused)?.description == why
    }
  }

  private enum Fault: Equatable {
    case answerable(String, replyTo: String)
    case unanswerable(String)
  }

  /// What is wrong with a payload; nil when it is a request.
  private func fault(_ payload: String) -> Fault? {
    do throws(Request.Fault) {
      _ = try Request(hex(payload))
      return nil
    } catch {
      switch error {
      case .answerable(let why, _, let address):
        return .answerable(why, replyTo: String(decoding: address.key, as: UTF8.self))
      case .unanswerable(let why): return .unanswerable(why)
      }
    }
  }
}
