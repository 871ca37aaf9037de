/// The answer to a call: `{ID, Output: {Data: bin|nil, Error: nil|{Message}}, Error: nil|str}`.
struct Response {
  /// What came of a call.
  enum Outcome: Hashable, Sendable {
    /// The result's MessagePack; empty for a method without one.
    case result([UInt8])
    /// The method ran and failed. A stub made for a Go caller decodes the data before it looks at the error, so a
    /// failing method that has a result comes with that type's zero value.
    case callError(String, zero: [UInt8])
    /// The call never reached a method, or the method broke down.
    case protocolError(String)
  }

  static func encode(id: ArraySlice<UInt8>, _ outcome: Outcome) -> [UInt8] {
    let (data, callError, protocolError): ([UInt8], String?, String?) =
      switch outcome {
      case .result(let data): (data, nil, nil)
      case .callError(let message, let zero): (zero, message, nil)
      case .protocolError(let message): ([], nil, message)
      }
    var writer = MessagePackWriter(capacity: 96 + data.count)
    writer.writeMapHead(3)
    writer.write(key: "ID")
    writer.writeString(id)
    writer.write(key: "Output")
    writer.writeMapHead(2)
    writer.write(key: "Data")
    writer.writeBinary(data)
    writer.write(key: "Error")
    if let callError {
      writer.writeMapHead(1)
      writer.write(key: "Message")
      writer.write(callError)
    } else {
      writer.writeNil()
    }
    writer.write(key: "Error")
    if let protocolError {
      writer.write(protocolError)
    } else {
      writer.writeNil()
    }
    return writer.bytes
  }

  let id: String
  let outcome: Outcome

  /// - Throws: ``MessagePackError`` when the payload is no response.
  init(_ payload: [UInt8]) throws {
    let wire = try MessagePackDecoder().decode(Wire.self, from: payload)
    id = wire.id
    outcome =
      if let message = wire.error, !message.isEmpty {
        .protocolError(message)
      } else if let error = wire.output.error {
        .callError(error.message, zero: wire.output.data.bytes)
      } else {
        .result(wire.output.data.bytes)
      }
  }

  private struct Wire: Decodable {
    let id: String
    let output: Output
    let error: String?

    enum CodingKeys: String, CodingKey {
      case id = "ID"
      case output = "Output"
      case error = "Error"
    }

    struct Output: Decodable {
      let data: Binary
      let error: WireError?

      enum CodingKeys: String, CodingKey {
        case data = "Data"
        case error = "Error"
      }
    }

    struct WireError: Decodable {
      let message: String

      enum CodingKeys: String, CodingKey {
        case message = "Message"
      }
    }
  }
}
