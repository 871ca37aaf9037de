import Testing

@testable import RPC

@Suite(.timeLimit(.minutes(5)))
struct BrokerURLTests {
  struct Good: Sendable, CustomTestStringConvertible {
    let text: String
    let address: BrokerURL.Address
    var user: String?
    var password: String?
    var database = 0
    let description: String
    var testDescription: String { text }

    init(
      _ text: String, _ address: BrokerURL.Address, user: String? = nil, password: String? = nil, database: Int = 0,
      _ description: String
    ) {
      (self.text, self.address, self.description) = (text, address, description)
      (self.user, self.password, self.database) = (user, password, database)
    }
  }

  static let longestPath = "/" + String(repeating: "x", count: 106)

  static let good = [
    Good("unix:///var/run/redis.sock", .unix(path: "/var/run/redis.sock"), "unix:///var/run/redis.sock"),
    Good("unix:///with%20space", .unix(path: "/with space"), "unix:///with space"),
    Good("unix:///a@b", .unix(path: "/a@b"), "unix:///a@b"),
    Good("unix://\(longestPath)", .unix(path: longestPath), "unix://\(longestPath)"),
    Good("tcp://localhost:6379", .tcp(host: "localhost", port: 6379), "tcp://localhost:6379"),
    Good("tcp://localhost", .tcp(host: "localhost", port: 6379), "tcp://localhost:6379"),
    Good("tcp://localhost/", .tcp(host: "localhost", port: 6379), "tcp://localhost:6379"),
    Good("tcp://10.1.2.3:1", .tcp(host: "10.1.2.3", port: 1), "tcp://10.1.2.3:1"),
    Good(
      "tcp://my_host-1.example:65535", .tcp(host: "my_host-1.example", port: 65535), "tcp://my_host-1.example:65535"),
    Good("tcp://host:06379", .tcp(host: "host", port: 6379), "tcp://host:6379"),
    Good("tcp://[::1]", .tcp(host: "::1", port: 6379), "tcp://[::1]:6379"),
    Good("tcp://[2001:db8::1]:7000", .tcp(host: "2001:db8::1", port: 7000), "tcp://[2001:db8::1]:7000"),
    Good("tcp://secret@host:1", .tcp(host: "host", port: 1), password: "secret", "tcp://host:1"),
    Good("tcp://s%40c%3Aret@host:1", .tcp(host: "host", port: 1), password: "s@c:ret", "tcp://host:1"),
    Good("tcp://s@c:r/et@host:1", .tcp(host: "host", port: 1), password: "s@c:r/et", "tcp://host:1"),
    Good("tcp://@host:1", .tcp(host: "host", port: 1), "tcp://host:1"),
    Good("redis://host", .tcp(host: "host", port: 6379), "redis://host:6379"),
    Good("redis://host:7000/3", .tcp(host: "host", port: 7000), database: 3, "redis://host:7000/3"),
    Good("redis://host/0", .tcp(host: "host", port: 6379), "redis://host:6379"),
    Good("redis://secret@host", .tcp(host: "host", port: 6379), password: "secret", "redis://host:6379"),
    Good("redis://:secret@host", .tcp(host: "host", port: 6379), password: "secret", "redis://host:6379"),
    Good(
      "redis://user:secret@host:1/2", .tcp(host: "host", port: 1), user: "user", password: "secret", database: 2,
      "redis://host:1/2"),
    Good(
      "redis://us%3Aer:se:cr%c3%a4t@[::1]:1", .tcp(host: "::1", port: 1), user: "us:er", password: "se:crät",
      "redis://[::1]:1"),
  ]

  @Test(arguments: good) func urlIsUnderstood(url: Good) throws {
    let parsed = try BrokerURL(url.text)
    #expect(parsed.address == url.address)
    #expect(parsed.user == url.user)
    #expect(parsed.password == url.password)
    #expect(parsed.database == url.database)
    #expect(parsed.description == url.description)
  }

  @Test(arguments: [
    ("", "broker URL '': expected unix:///PATH, tcp://HOST:PORT or redis://HOST:PORT"),
    ("localhost:6379", "broker URL 'localhost:6379': expected unix:///PATH, tcp://HOST:PORT or redis://HOST:PORT"),
    (
      "/var/run/redis.sock",
      "broker URL '/var/run/redis.sock': expected unix:///PATH, tcp://HOST:PORT or redis://HOST:PORT"
    ),
    ("http://host:1", "broker URL 'http://host:1': the scheme must be unix, tcp or redis"),
    ("TCP://host:1", "broker URL 'TCP://host:1': the scheme must be unix, tcp or redis"),
    (
      "unix://redis.sock",
      "broker URL 'unix://redis.sock': a socket's path must be absolute, as in unix:///var/run/redis.sock"
    ),
    ("unix://", "broker URL 'unix://': a socket's path must be absolute, as in unix:///var/run/redis.sock"),
    ("unix:///a%zz", "broker URL 'unix:///a%zz': a socket's path must be absolute, as in unix:///var/run/redis.sock"),
    ("unix:///a%00b", "broker URL 'unix:///a%00b': a socket's path has at most 107 bytes"),
    ("unix://\(longestPath)x", "broker URL 'unix://\(longestPath)x': a socket's path has at most 107 bytes"),
    ("tcp://", "broker URL 'tcp://': the host is missing"),
    ("tcp://:6379", "broker URL 'tcp://:6379': the host is missing"),
    ("tcp://[]:6379", "broker URL 'tcp://[]:6379': the host is missing"),
    ("tcp://host:", "broker URL 'tcp://host:…': the port must be a number from 1 to 65535"),
    ("tcp://host:0", "broker URL 'tcp://host:0': the port must be a number from 1 to 65535"),
    ("tcp://host:65536", "broker URL 'tcp://host:65536': the port must be a number from 1 to 65535"),
    ("tcp://host:+80", "broker URL 'tcp://host:…': the port must be a number from 1 to 65535"),
    ("tcp://host:http", "broker URL 'tcp://host:…': the port must be a number from 1 to 65535"),
    ("tcp://::1", "broker URL 'tcp://::1': an IPv6 address stands in brackets"),
    ("tcp://[::1", "broker URL 'tcp://[::1': '[' without ']'"),
    ("tcp://[::1]6379", "broker URL 'tcp://[::…': only a port may follow ']'"),
    ("tcp://host/1", "broker URL 'tcp://host/1': a path is only for redis:// URLs"),
    (
      "tcp://host?db=1",
      "broker URL 'tcp://host?db=1': a host has only letters, digits, '.', '-' and '_', or is an IPv6 address in brackets"
    ),
    (
      "tcp://a b:1",
      "broker URL 'tcp://a b:1': a host has only letters, digits, '.', '-' and '_', or is an IPv6 address in brackets"
    ),
    ("redis://host/x", "broker URL 'redis://host/x': the database must be a number"),
    ("redis://host/-1", "broker URL 'redis://host/-1': the database must be a number"),
    ("redis://host/+1", "broker URL 'redis://host/+1': the database must be a number"),
    ("redis://host/1/2", "broker URL 'redis://host/1/2': the database must be a number"),
    (
      "tcp://%zz@host",
      "broker URL 'tcp://…@host': a '%' needs two hexadecimal digits, and all of them together must be UTF-8"
    ),
    (
      "redis://u:%ff@host",
      "broker URL 'redis://…@host': a '%' needs two hexadecimal digits, and all of them together must be UTF-8"
    ),
    (
      "redis://u:%+f@host",
      "broker URL 'redis://…@host': a '%' needs two hexadecimal digits, and all of them together must be UTF-8"
    ),
  ])
  func urlIsRefusedWithTheRuleItBreaks(text: String, error: String) {
    #expect(throws: BrokerURL.Invalid(description: error)) { try BrokerURL(text) }
  }

  @Test(arguments: [
    "tcp://secret@", "tcp://secret@@", "tcp://@secret@", "tcp://secret@:1", "tcp://secret@host:x",
    "tcp://secret@host/1",
    "secret@host:6379", "secret@tcp://host:x", "http://user:secret@host", "redis://user:secret",
    "redis://user:secret/0",
    "redis://:secret", "redis://user:secret@", "redis://secret@host/x", "redis://user:se%zzcret@host",
    "redis://se@cr:secret@[::1", "unix://secret@redis.sock", "unix://:secret@/var/run/redis.sock",
  ])
  func passwordIsNeverShown(text: String) {
    #expect { try BrokerURL(text) } throws: {
      !"\($0)".contains("secret") && !String(reflecting: $0).contains("secret")
    }
  }

  @Test(arguments: ["tcp://secret@host", "redis://user:secret@host/1"])
  func descriptionAndErrorsOfAGoodURLHideItsPassword(text: String) throws {
    let url = try BrokerURL(text)
    let error = BrokerError(url, .denied("WRONGPASS"))
    for shown in ["\(url)", String(reflecting: url), "\(error)", String(reflecting: error), "\([url])"] {
      #expect(shown.contains("host") && !shown.contains("secret"))
    }
  }
}
