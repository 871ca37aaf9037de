import ProxyConfig
import Records
import System
import Testing

@Suite(.timeLimit(.minutes(5)))
struct StaticConfigurationTests {
  @Test func writesEverythingTraefikNeedsAndNoMore() throws {
    let configuration = try StaticConfiguration(
      root: "/var/cache/modules/gateway", http: ListenAddress(":80"), https: ListenAddress(":443"),
      metrics: ListenAddress("127.0.0.1:8082"))
    #expect(
      String(decoding: configuration.encoded(), as: UTF8.self) == """
        entryPoints:
          web:
            address: :80
            allowACMEByPass: true
            http:
              redirections:
                entryPoint:
                  to: web-secure
                  scheme: https
                  permanent: true
                  priority: 1
            transport:
              respondingTimeouts:
                readTimeout: 30s
                idleTimeout: 180s
          web-secure:
            address: :443
            asDefault: true
            transport:
              respondingTimeouts:
                readTimeout: 30s
                idleTimeout: 180s
          metrics:
            address: 127.0.0.1:8082
        providers:
          file:
            directory: /var/cache/modules/gateway/proxy
            watch: true
          providersThrottleDuration: 250ms
        metrics:
          prometheus:
            entryPoint: metrics
            addServicesLabels: true
            addEntryPointsLabels: false
            addRoutersLabels: false
            buckets:
            - "1"
        log:
          level: INFO
        global:
          checkNewVersion: false
          sendAnonymousUsage: false
        experimental:
          localPlugins:
            timeouts:
              moduleName: \(String(repeating: "../", count: 32))var/cache/modules/gateway/plugins/timeouts

        """)
  }

  @Test func writesAnyDirectoryAndAddress() throws {
    var configuration = try StaticConfiguration(
      root: "/tmp/a: #b \"c\" é", http: ListenAddress("[::1]:8080"), https: ListenAddress("10.0.0.1:8443"),
      metrics: ListenAddress(":8082"))
    configuration.logLevel = .debug
    let text = String(decoding: configuration.encoded(), as: UTF8.self)
    #expect(
      text.contains("\n      directory: '/tmp/a: #b \"c\" é/proxy'\n")
        || text.contains("directory: '/tmp/a: #b \"c\" é/proxy'\n"))
    #expect(text.contains("\n    address: '[::1]:8080'\n"))
    #expect(text.contains("\n  level: DEBUG\n"))
    // No Go package can be there, and a body is not cut off for that.
    #expect(configuration.longTransfers == nil)
    #expect(text.contains("\n        readTimeout: 0s\n") && !text.contains("localPlugins"))
  }

  @Test func writesWhatIsTakenFromClients() throws {
    var configuration = try StaticConfiguration(
      root: "/var/lib/gateway", http: ListenAddress(":80"), https: ListenAddress(":443"),
      metrics: ListenAddress("127.0.0.1:8082"))
    configuration.clients.headerTimeout = 5
    configuration.clients.idleTimeout = 60
    configuration.clients.trustedProxies = try [IPNetwork("10.0.0.0/8"), IPNetwork("2001:db8::7")]
    configuration.clients.proxyProtocolSenders = try [IPNetwork("10.1.1.1")]
    configuration.clients.keepsURLs = true
    configuration.clients.aliasHeaders = .delete
    let text = String(decoding: configuration.encoded(), as: UTF8.self)
    let clients = """
            sanitizePath: false
            encodeQuerySemicolons: true
            aliasHeadersStrategy: delete
          forwardedHeaders:
            trustedIPs:
            - 10.0.0.0/8
            - 2001:db8::7/128
          proxyProtocol:
            trustedIPs:
            - 10.1.1.1/32
          transport:
            respondingTimeouts:
              readTimeout: 5s
              idleTimeout: 60s

      """
    #expect(text.components(separatedBy: clients).count == 3)
  }

  @Test func nobodyElsesFileHasTheNameOfItsOwn() throws {
    #expect(throws: InvalidValue.self) { try WorkloadID(String(LongTransfers.fileName.dropLast(5))) }
    #expect(RouteFile.isRead(LongTransfers.fileName))
  }

  @Test func wayInForTunnelsGoesWithTheNodesDomain() throws {
    var configuration = StaticConfiguration(
      root: "/r", http: try ListenAddress(":80"), https: try ListenAddress(":443"),
      metrics: try ListenAddress("127.0.0.1:8082"), certificates: nil)
    func entry() -> [[UInt8]?] {
      configuration.companions.filter { $0.path == "proxy/.gateway-tunnels.yaml" }.map(\.bytes)
    }
    #expect(entry() == [nil])
    configuration.tunnelDoor = try Endpoint("127.64.0.1:18001")
    // Until the domain is known, what an earlier life wrote stays.
    #expect(entry().isEmpty)
    configuration.domain = try Domain("node.example.org")
    #expect(entry().first??.isEmpty == false)
    configuration.domain = nil
    configuration.isWithoutDomain = true
    #expect(entry() == [nil])
  }
}
