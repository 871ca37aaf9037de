import ProxyConfig
import System
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct RoundTripTests {
  @Test func readsEveryOddRouteBack() throws {
    let proxies = try [IPNetwork("10.0.0.0/8"), IPNetwork("::1")]
    for route in try OddRoutes.all() {
      #expect(RouteFile.read(route.encoded().span, name: route.fileName) == .route(route))
      let trusting = route.encoded(trusting: proxies)
      #expect(RouteFile.read(trusting.span, name: route.fileName, trusting: proxies) == .route(route))
      guard case .foreign = RouteFile.read(trusting.span, name: "no workload.yaml") else {
        Issue.record("a route of \(route.workload) that Traefik would not read")
        continue
      }
      readsBackOnHold(route)
    }
  }

  private func readsBackOnHold(_ route: Route) {
    let isOnHold = route.certifiedName != nil
    let bytes = route.encoded(onHold: true)
    #expect(RouteFile.read(bytes.span, name: route.fileName) == .route(route, isOnHold: isOnHold))
  }

  @Test(arguments: 0..<8 as Range<UInt64>)
  func readsAnyRouteBack(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    for _ in 0..<250 {
      let route = try Self.route(&generator)
      #expect(RouteFile.read(route.encoded().span, name: route.fileName) == .route(route))
      readsBackOnHold(route)
      guard route.httpBackends == nil else { continue }
      let earlier = Array(route.earlierForm.utf8)
      #expect(RouteFile.read(earlier.span, name: route.fileName) == .route(route, isCurrent: false))
    }
  }

  private static func route(_ generator: inout SeededGenerator) throws -> Route {
    let workload = text("abyntrue019exXoE._-", 1...128, &generator)
    let domain = try self.domain(&generator)
    let tls: Route.TLS =
      switch Int.random(in: 0..<3, using: &generator) {
      case 0: .passthrough
      case 1: .terminated(.own)
      default: .terminated(.wildcard(of: try self.domain(&generator)))
      }
    let count = Bool.random(using: &generator) ? 1 : Int.random(in: 1...64, using: &generator)
    var httpBackends: [String] = []
    if tls == .passthrough, Bool.random(using: &generator) {
      httpBackends = (0..<Int.random(in: 1...3, using: &generator)).map { _ in host(&generator) }
    }
    let backends = (0..<count).map { _ in
      let endpoint = "\(host(&generator)):\(Int.random(in: 1...65535, using: &generator))"
      return tls == .passthrough ? endpoint : (Bool.random(using: &generator) ? "http://" : "https://") + endpoint
    }
    return try Route(
      workload: WorkloadID(String("abyntrue019exXoE_".randomElement(using: &generator)!) + workload.dropFirst()),
      domain: domain, tls: tls, backends: backends, httpBackends: httpBackends,
      under: .alreadyAccepted)
  }

  private static func domain(_ generator: inout SeededGenerator) throws -> Domain {
    let labels = (0..<Int.random(in: 1...5, using: &generator)).map { _ in text("ae019x-_", 1...40, &generator) }
    return try Domain((labels + [text("ae019x-_", 1...20, &generator) + "e"]).joined(separator: "."))
  }

  private static func host(_ generator: inout SeededGenerator) -> String {
    let bytes = (0..<16).map { _ in Bool.random(using: &generator) ? 0 : UInt8.random(in: 0...255, using: &generator) }
    let isIPv4 = Bool.random(using: &generator)
    let address = IPAddress(bytes: isIPv4 ? Array(bytes.prefix(4)) : bytes)!
    return address.isIPv4 ? "\(address)" : "[\(address)]"
  }

  private static func text(
    _ alphabet: String, _ lengths: ClosedRange<Int>, _ generator: inout SeededGenerator
  ) -> String {
    let length = Int.random(in: 1...Int.random(in: lengths, using: &generator), using: &generator)
    return String((0..<length).map { _ in alphabet.randomElement(using: &generator)! })
  }
}
