import ProxyConfig
import RPC
import System
import Testing

@testable import GatewayModule

@Suite(.timeLimit(.minutes(5)))
struct PublicConfigTests {
  /// `PublicConfig` as the reference Go implementation writes it.
  private static let whole = """
    86a454797065a76d6163766c616ea44950763482a24950c41000000000000000000000ffffb9ce7a21a44d61736bc404ffffff00a449507636\
    82a24950c4102a10b6000001000000000cc47a3065b5a44d61736bc410ffffffffffffffff0000000000000000a3475734c410000000000000\
    00000000ffffb9ce7a01a3475736c0a6446f6d61696eb267656e7430312e6465762e677269642e7466
    """

  private func publicNetwork(_ hex: String) throws -> PublicNetwork {
    let digits = Array(hex)
    let bytes = stride(from: 0, to: digits.count, by: 2).map { UInt8(String(digits[$0...$0 + 1]), radix: 16)! }
    return try MessagePackDecoder().decode(PublicConfig.self, from: bytes).publicNetwork()
  }

  @Test func isReadAsGoWritesIt() throws {
    let network = try publicNetwork(Self.whole)
    #expect(network.domain == (try Domain("gent01.dev.grid.tf")))
    #expect(network.addresses.map(\.description) == ["185.206.122.33", "2a10:b600:1::cc4:7a30:65b5"])
  }

  @Test(
    "What is missing, nil, empty or all zeros is not there",
    arguments: [
      "80", "83a449507634c0a449507636c0a6446f6d61696ec0", "82a44950763482a24950c0a44d61736bc0a6446f6d61696ea0",
      "81a44950763481a24950c41000000000000000000000ffff00000000",
      "81a44950763681a24950c41000000000000000000000000000000000",
      "81a44950763481a24950c403010203",
    ])
  func absent(hex: String) throws {
    #expect(try publicNetwork(hex) == PublicNetwork(domain: nil, addresses: []))
  }

  @Test func badDomainIsAnError() throws {
    #expect(throws: InvalidValue.self) { try publicNetwork("81a6446f6d61696ea56e6f646f74") }
  }
}
