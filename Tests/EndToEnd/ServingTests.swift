import Foundation
import TestSupport
import Testing

private let zone = GatewayProcess.zone

/// What the world sees of a route, through the real Traefik with the static configuration that the gateway wrote.
@Suite(.timeLimit(.minutes(5)))
struct ServingTests {
  /// Runs `body` with a gateway and a Traefik that serves its routes.
  private func withTraefik(_ body: (GatewayProcess, Traefik) async throws -> Void) async throws {
    try await GatewayProcess.withGateway { gateway in
      try await gateway.withTraefik { traefik in try await body(gateway, traefik) }
    }
  }

  /// Fetches a URL until Traefik has taken in the last change.
  private func fetch(
    _ url: String, through traefik: Traefik, until isLive: (HTTPClient.Response) -> Bool
  ) async throws -> HTTPClient.Response {
    let client = try await traefik.client("web-secure")
    return try await eventually {
      try await client.fetch(url)
    } until: {
      isLive($0)
    }
  }

  @Test func terminatedRouteGoesLiveIsReplacedAndGoes() async throws {
    try await HTTPBackend.withServer("first") { first in
      try await HTTPBackend.withServer("second") { second in
        try await withTraefik { gateway, traefik in
          let url = "https://shop.\(zone)/hats?size=7"
          try await gateway.setName("shop", "shop", first.url)
          let live = try await fetch(url, through: traefik) { $0.status == 200 }
          #expect(
            live.answer
              == HTTPBackend.Answer(name: "first", host: "shop.\(zone)", path: "/hats?size=7", method: "GET"))
          #expect(live.certificateSubject == "CN = TRAEFIK DEFAULT CERT")

          try await gateway.setName("shop", "shop", second.url)
          _ = try await fetch(url, through: traefik) { $0.answer?.name == "second" }

          try await gateway.delete("shop")
          _ = try await fetch(url, through: traefik) { $0.status == 404 }
          #expect(try await traefik.routers().isEmpty)
        }
      }
    }
  }

  @Test("A trial on one machine: everything is at 127.0.0.1, but for Traefik's own ports")
  func trialOnOneMachine() async throws {
    let flags = ["--domain", zone, "--public-ip", "127.0.0.1", "--no-domain-check", "--allow-loopback-backends"]
    try await HTTPBackend.withServer("plain") { plain in
      try await HTTPBackend.withServer("secure.example.org", tls: true) { secure in
        try await GatewayProcess.withGateway(flags) { gateway in
          try await gateway.withTraefikAsInstalled { _ in
            try await gateway.setName("plain", "plain", plain.url)
            try await gateway.setFQDN("secure", "app.example.org", secure.url)
            try await gateway.setFQDN("passed", "secure.example.org", secure.endpoint)
            let client = gateway.client("--https-address")
            for (host, name) in [
              ("plain.\(zone)", "plain"), ("app.example.org", "secure.example.org"),
              ("secure.example.org", "secure.example.org"),
            ] {
              let answer = try await eventually {
                try await client.fetch("https://\(host)/")
              } until: {
                $0.answer?.name == name
              }
              #expect(answer.answer?.host == host)
            }
            // That would go round in circles.
            for flag in ["--http-address", "--https-address"] {
              let loop = try await gateway.call(
                "SetNamedProxy", "loop", "loop", .array([.string("http://\(gateway.address(flag))")]), false)
              #expect(
                loop.callError
                  == #"invalid backend "http://\#(gateway.address(flag))": it is where Traefik listens"#)
            }
          }
        }
      }
    }
  }

  @Test func secureBackendIsNotAskedForAVerifiableCertificate() async throws {
    try await HTTPBackend.withServer("self-signed", tls: true) { backend in
      try await withTraefik { gateway, traefik in
        try await gateway.setFQDN("app", "app.example.org", backend.url)
        let live = try await fetch("https://app.example.org/", through: traefik) { $0.status == 200 }
        #expect(live.answer?.name == "self-signed")
        #expect(live.certificateSubject == "CN = TRAEFIK DEFAULT CERT")
      }
    }
  }

  @Test func passedThroughTLSEndsAtTheBackend() async throws {
    try await HTTPBackend.withServer("bank.example.org", tls: true) { backend in
      try await withTraefik { gateway, traefik in
        try await gateway.setFQDN("bank", "bank.example.org", backend.endpoint)
        let live = try await fetch("https://bank.example.org/vault", through: traefik) {
          $0.answer?.name == "bank.example.org"
        }
        #expect(live.certificateSubject == "CN = bank.example.org")

        try await gateway.delete("bank")
        _ = try await fetch("https://bank.example.org/vault", through: traefik) { $0.status == 404 }
      }
    }
  }

  @Test func twoBackendsShareTheLoad() async throws {
    try await HTTPBackend.withServer("left") { left in
      try await HTTPBackend.withServer("right") { right in
        try await withTraefik { gateway, traefik in
          try await gateway.setName("pair", "pair", left.url, right.url)
          _ = try await fetch("https://pair.\(zone)/", through: traefik) { $0.status == 200 }
          let client = try await traefik.client("web-secure")
          var answers: [String: Int] = [:]
          for _ in 0..<10 {
            answers[try await client.fetch("https://pair.\(zone)/").answer?.name ?? "", default: 0] += 1
          }
          #expect(answers == ["left": 5, "right": 5])
        }
      }
    }
  }

  @Test func plainHTTPIsSentToHTTPSOnThePortItListensOn() async throws {
    try await HTTPBackend.withServer("shop") { backend in
      try await withTraefik { gateway, traefik in
        try await gateway.setName("shop", "shop", backend.url)
        _ = try await fetch("https://shop.\(zone)/", through: traefik) { $0.status == 200 }
        let redirect = try await traefik.client("web").fetch("http://shop.\(zone)/hats?size=7")
        #expect(redirect.status == 301)
        #expect(
          redirect.headers["location"] == ["https://shop.\(zone):\(gateway.port("--https-address"))/hats?size=7"])
      }
    }
  }

  @Test func backendsMayHaveIPv6Addresses() async throws {
    try await HTTPBackend.withServer("plain", address: "::1") { plain in
      try await HTTPBackend.withServer("secure.example.org", address: "::1", tls: true) { secure in
        try await withTraefik { gateway, traefik in
          try await gateway.setName("plain", "plain", plain.url)
          try await gateway.setFQDN("secure", "secure.example.org", secure.endpoint)
          _ = try await fetch("https://plain.\(zone)/", through: traefik) { $0.answer?.name == "plain" }
          _ = try await fetch("https://secure.example.org/", through: traefik) {
            $0.certificateSubject == "CN = secure.example.org"
          }
        }
      }
    }
  }

  @Test func freedDomainIsServedForWhoeverTakesIt() async throws {
    try await HTTPBackend.withServer("old") { old in
      try await HTTPBackend.withServer("new") { new in
        try await withTraefik { gateway, traefik in
          try await gateway.setName("tenant-1", "home", old.url)
          _ = try await fetch("https://home.\(zone)/", through: traefik) { $0.answer?.name == "old" }
          try await gateway.setName("tenant-1", "moved", old.url)
          try await gateway.setName("tenant-2", "home", new.url)
          _ = try await fetch("https://home.\(zone)/", through: traefik) { $0.answer?.name == "new" }
          _ = try await fetch("https://moved.\(zone)/", through: traefik) { $0.answer?.name == "old" }
        }
      }
    }
  }
}
