import ProxyConfig
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
          web-secure:
            address: :443
            asDefault: true
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
  }
}
