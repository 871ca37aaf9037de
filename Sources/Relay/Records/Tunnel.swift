public import Records
public import System

/// A tunnel: who knows its secret may dial in and serve what comes to its address. Its file:
///
///     secret: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
///     address: 127.64.3.7:18001
public struct Tunnel: StoredRecord {
  public static var claimKind: String { "secret" }

  public let workload: WorkloadID
  /// Of its clients.
  public let secret: TunnelSecret.Digest
  /// Where Traefik finds it, on the loopback.
  public let address: Endpoint

  public var claim: TunnelSecret.Digest { secret }

  /// - Throws: `InvalidValue` for an address that no tunnel can have.
  public init(workload: WorkloadID, secret: TunnelSecret.Digest, address: Endpoint) throws(InvalidValue) {
    guard let number = TunnelAddress.number(of: address.address), number >= TunnelAddress.first else {
      throw InvalidValue("address of a tunnel", "\(address)", "it must be from 127.64.0.2 to 127.127.255.254")
    }
    self.workload = workload
    self.secret = secret
    self.address = address
  }

  public func encoded() -> [UInt8] {
    YAMLWriter.document { yaml in
      yaml.field("secret", secret.text)
      yaml.field("address", "\(address)")
    }
  }

  public init(file: Span<UInt8>, of workload: WorkloadID) throws(FileMismatch) {
    let root = try YAMLNode(document: file)
    let fields = try root.members(["secret", "address"])
    let secret = try fields[0].required("secret", in: root)
    let address = try fields[1].required("address", in: root)
    let text = try (secret.string, address.string)
    let digest = try secret.checked(Result { () throws(InvalidValue) in try TunnelSecret.Digest(text.0) })
    self = try address.checked(
      Result { () throws(InvalidValue) in
        try Tunnel(workload: workload, secret: digest, address: try Endpoint(text.1))
      })
  }
}

/// The loopback addresses behind which tunnels are, 127.64.0.0/10, as numbers from 0 on.
public enum TunnelAddress {
  /// Where clients are let in that come by way of Traefik.
  public static let door = address(1)
  /// The first that a tunnel may have.
  static let first = 2
  static let count = 1 << 22

  static func address(_ number: Int) -> IPAddress {
    let bits = 127 << 24 | 64 << 16 | number
    return IPAddress(bytes: [24, 16, 8, 0].map { UInt8(bits >> $0 & 255) })!
  }

  static func number(of address: IPAddress) -> Int? {
    let parts = "\(address)".split(separator: ".").compactMap { Int($0) }
    guard parts.count == 4, parts[0] == 127, (64...127).contains(parts[1]) else { return nil }
    let number = (parts[1] - 64) << 16 | parts[2] << 8 | parts[3]
    return number < count - 1 ? number : nil
  }

  /// One that is free; for one workload the same again, as far as possible.
  public static func free(for workload: WorkloadID, taken: (IPAddress) -> Bool) -> IPAddress? {
    // FNV-1a.
    let hash = workload.rawValue.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    let usable = count - 1 - first
    let start = Int(hash % UInt64(usable))
    for step in 0..<usable {
      let candidate = address(first + (start + step) % usable)
      if !taken(candidate) { return candidate }
    }
    return nil
  }
}
