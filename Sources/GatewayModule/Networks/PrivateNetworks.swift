import COpenSSL
public import RPC
import Records
import System

/// The private networks of users, by the names that those give them.
public struct PrivateNetworks: Sendable {
  private let object: RPCClient.RemoteObject

  /// - Parameter client: by which the node's `network` module is asked.
  public init(client: RPCClient) {
    object = client.object(ObjectID("network", version: "0.0.1"), of: "network", timeout: .seconds(5))
  }

  /// The namespace of a user's network.
  ///
  /// - Throws: `InvalidValue` for a name that none has, and `CallError` when the node knows no such network.
  func namespace(of name: String, user: Substring) async throws -> NetworkNamespace {
    guard (1...32).contains(name.utf8.count),
      name.utf8.allSatisfy({ ASCII.isLetterOrDigit($0) || $0 == ASCII.hyphen || $0 == ASCII.underscore })
    else { throw InvalidValue("network", name, "it has 1 to 32 letters, digits, '-' and '_'") }
    do {
      let namespace: String = try await object.call("Namespace", try NetworkID(name, of: user).text)
      return try NetworkNamespace(namespace)
    } catch {
      throw CallError("the private network \(quoted(name)) of user \(user) is not known: \(error)")
    }
  }
}

/// What the node calls a user's private network: the first 13 characters of the MD5 of `USER:NAME` in base58.
struct NetworkID {
  let text: String

  /// - Throws: `CallError` where OpenSSL is set up to know no MD5.
  init(_ name: String, of user: Substring) throws(CallError) {
    let bytes = Array("\(user):\(name)".utf8)
    var digest = [UInt8](repeating: 0, count: 16)
    guard EVP_Digest(bytes, bytes.count, &digest, nil, EVP_md5(), nil) == 1 else {
      throw CallError("OpenSSL makes no MD5 here, by which private networks are named")
    }
    text = String(Self.base58(digest).prefix(13))
  }

  private static func base58(_ bytes: [UInt8]) -> String {
    let alphabet = Array("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")
    // In base 58, the last digit first.
    var digits: [Int] = []
    for byte in bytes {
      var carry = Int(byte)
      for place in digits.indices {
        carry += digits[place] << 8
        (carry, digits[place]) = carry.quotientAndRemainder(dividingBy: 58)
      }
      while carry > 0 {
        digits.append(carry % 58)
        carry /= 58
      }
    }
    let zeros = bytes.prefix { $0 == 0 }.map { _ in alphabet[0] }
    return String(zeros + digits.reversed().map { alphabet[$0] })
  }
}
