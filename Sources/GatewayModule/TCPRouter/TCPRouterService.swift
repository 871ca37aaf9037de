import FoundationEssentials
import Records
import Relay
import System

/// Where what is for a service of tcprouter goes: what the value under its key says.
///
/// That is `{"Key": …, "Value": BASE64}`, and the other text in it `{"addr": IP, "tlsport": PORT, "httpport": PORT,
/// "clientsecret": TEXT, "user": TEXT}`. With a `clientsecret` only that counts. `user` and whatever else there is do not.
enum TCPRouterService: Hashable, Sendable {
  /// To an address: TLS as it comes, and plain HTTP.
  case address(tls: Endpoint, http: Endpoint)
  /// To the client that dials in with this secret.
  case tunnel(ClientSecret)

  /// As the operator gave it; it is never logged.
  struct ClientSecret: Hashable, Sendable {
    let text: String
    let digest: TunnelSecret.Digest

    init(_ text: String) throws(InvalidValue) {
      self.text = text
      digest = try TunnelSecret(text.utf8).digest
    }
  }

  /// Of a value, in bytes.
  private static let maximumSize = 64 << 10

  /// - Throws: `InvalidValue`, which repeats no secret, for anything else than the above, for an `addr` that is no IP address, a port
  ///   that is none, and a secret that no tunnel can have.
  init(_ value: [UInt8]) throws(InvalidValue) {
    guard value.count <= Self.maximumSize else { throw InvalidValue("the value is longer than 65,536 bytes") }
    guard case .string(let text)? = try Self.members(of: value, "the value")["value"],
      let inner = Data(base64Encoded: text)
    else { throw InvalidValue("\"Value\" is no base64") }
    let members = try Self.members(of: Array(inner), "what is in \"Value\"")
    if let secret = try Self.text("clientsecret", in: members) {
      self = .tunnel(try ClientSecret(secret))
      return
    }
    guard let addr = try Self.text("addr", in: members) else {
      throw InvalidValue("there is neither \"addr\" nor \"clientsecret\"")
    }
    guard let address = try? IPAddress(addr) else { throw InvalidValue("addr", addr, "it is no IP address") }
    self = .address(
      tls: Endpoint(address: address, port: try Self.port("tlsport", in: members) ?? 443),
      http: Endpoint(address: address, port: try Self.port("httpport", in: members) ?? 80))
  }

  private static func members(of json: [UInt8], _ what: String) throws(InvalidValue) -> [String: JSONValue] {
    do throws(JSONValue.Fault) {
      guard case .object(let members) = try JSONValue(json) else { throw JSONValue.Fault("it is another value") }
      return members
    } catch {
      throw InvalidValue("\(what) is no JSON object: \(error)")
    }
  }

  /// nil where it is not there, or empty.
  private static func text(_ name: String, in members: [String: JSONValue]) throws(InvalidValue) -> String? {
    switch members[name] {
    case .string(let text): return text.isEmpty ? nil : text
    case nil, .null: return nil
    default: throw InvalidValue("\(quoted(name)) is no text")
    }
  }

  /// nil where it is not there, or 0.
  private static func port(_ name: String, in members: [String: JSONValue]) throws(InvalidValue) -> UInt16? {
    switch members[name] {
    case .number(let digits):
      guard let port = UInt16(digits) else { break }
      return port == 0 ? nil : port
    case nil, .null: return nil
    default: break
    }
    throw InvalidValue("\(quoted(name)) is no port from 1 to 65535")
  }
}
