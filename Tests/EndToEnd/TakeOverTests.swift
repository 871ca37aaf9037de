import Foundation
import TestSupport
import Testing

/// What a gateway makes of the files it finds when it starts.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct TakeOverTests {
  /// Files as the earlier Go module wrote them.
  enum Earlier {
    static let named = EarlierRoute.named("37-1976-workloadname", "workloadname")
    static let fqdn = """
      http:
        routers:
          12-7-app-route:
            rule: Host(`app.example.com`)
            service: 12-7-app
            tls:
              certResolver: resolver
              domains:
              - main: app.example.com
        services:
          12-7-app:
            loadbalancer:
              servers:
              - url: http://10.1.2.4

      """
    static let passedThrough = """
      tcp:
        routers:
          37-2039-testname-route:
            rule: HostSNI(`remote.omar.grid.tf`)
            service: 37-2039-testname
            tls:
              passthrough: "true"
        services:
          37-2039-testname:
            loadbalancer:
              servers:
              - address: 137.184.106.152:443

      """

    static let files = [
      "37-1976-workloadname": named, "12-7-app": fqdn, "37-2039-testname": passedThrough,
    ]
  }

  private static let flags = [
    "--domain", "gent01.dev.grid.tf", "--public-ip", "203.0.113.7", "--no-domain-check",
  ]

  /// Runs `body` with a gateway that finds these files; `age` tells how many seconds ago one was written.
  private func withGateway(
    files: [String: String], age: [String: Double] = [:], _ body: (GatewayProcess) async throws -> Void
  ) async throws {
    try await GatewayProcess.withGateway(Self.flags) { root in
      _ = try root.directory("proxy")
      for (name, text) in files {
        let file = try root.write(text, to: "proxy/\(name)")
        guard let age = age[name] else { continue }
        try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSinceNow: -age)], ofItemAtPath: file)
      }
    } _: { gateway in
      try await body(gateway)
    }
  }

  @Test func filesOfTheEarlierModuleAreItsRoutes() async throws {
    let files = Dictionary(uniqueKeysWithValues: Earlier.files.map { ("\($0).yaml", $1) })
    try await withGateway(files: files) { gateway in
      let expected: [JSON] = [
        [
          "Workload": "12-7-app", "Kind": "fqdn", "FQDN": "app.example.com", "TLSPassthrough": false,
          "Backends": ["http://10.1.2.4:80"], "HTTPBackends": [],
        ],
        [
          "Workload": "37-1976-workloadname", "Kind": "named", "FQDN": "workloadname.gent01.dev.grid.tf",
          "TLSPassthrough": false, "Backends": ["http://10.1.2.3:9000"], "HTTPBackends": [],
        ],
        [
          "Workload": "37-2039-testname", "Kind": "fqdn", "FQDN": "remote.omar.grid.tf", "TLSPassthrough": true,
          "Backends": ["137.184.106.152:443"], "HTTPBackends": [],
        ],
      ]
      #expect(try await gateway.routes() == expected)

      // What a route has besides, in this version, is added.
      try await eventually { try !gateway.logged("route files are up to date").isEmpty }
      let before = try gateway.files(in: "proxy")
      for (workload, text) in Earlier.files {
        let content = try #require(before["\(workload).yaml"]?.content)
        #expect(content != text && content.says(text), "\(content)")
      }
      // Set again as they are, nothing is written.
      try await gateway.setName("37-1976-workloadname", "workloadname", "http://10.1.2.3:9000")
      try await gateway.setFQDN("12-7-app", "app.example.com", "http://10.1.2.4")
      try await gateway.setFQDN("37-2039-testname", "remote.omar.grid.tf", "137.184.106.152:443")
      #expect(try gateway.files(in: "proxy") == before)

      // They own their domains, and can be replaced and deleted as if this module had written them.
      let taken = try await gateway.call("SetNamedProxy", "other", "workloadname", ["http://10.9.9.9"], false)
      #expect(taken.callError == "domain already registered: workloadname.gent01.dev.grid.tf")
      try await gateway.setName("37-1976-workloadname", "workloadname", "http://10.1.2.3:9001")
      let changed = Earlier.named.replacing(":9000", with: ":9001")
      #expect(try gateway.routeFile("37-1976-workloadname")?.content.says(changed) == true)
      try await gateway.delete("37-2039-testname")
      #expect(try gateway.routeFile("37-2039-testname") == nil)
    }
  }

  @Test func whatIsWrittenSaysAllThatTheEarlierModuleSaid() async throws {
    try await withGateway(files: [:]) { gateway in
      try await gateway.setName("37-1976-workloadname", "workloadname", "http://10.1.2.3:9000")
      try await gateway.setFQDN("37-2039-testname", "remote.omar.grid.tf", "137.184.106.152:443")
      #expect(try gateway.routeFile("37-1976-workloadname")?.content.says(Earlier.named) == true)
      #expect(try gateway.routeFile("37-2039-testname")?.content.says(Earlier.passedThrough) == true)
    }
  }

  @Test func otherPeoplesFilesAreLeftAlone() async throws {
    let middleware = "http:\n  middlewares:\n    auth:\n      basicAuth:\n        users: [\"a:b\"]\n"
    let foreign = ["mine.yaml": middleware, "extra.yml": "{}\n", "note.txt": "not [yaml", ".hidden.yaml": middleware]
    try await withGateway(files: foreign) { gateway in
      let before = try gateway.files()
      #expect(try await gateway.routes().isEmpty)

      let set = try await gateway.call("SetNamedProxy", "mine", "name", ["http://10.1.2.3"], false)
      #expect(
        set.callError
          == "cannot store the route of mine: \(gateway.root.path)/proxy/mine.yaml exists and is not this module's")
      #expect(set.dataHex == "a0")
      try await gateway.delete("mine")
      #expect(try gateway.files(in: "proxy") == before.inFolder("proxy"))
      #expect(try gateway.files(in: "quarantine").count == 1)
      #expect(try gateway.files(in: "staging").count == 1)

      // The name that could not be published is free.
      try await gateway.setName("other", "name", "http://10.1.2.3")
    }
  }

  @Test func filesThatBreakTraefikAreMovedOutOfItsWay() async throws {
    let broken = [
      "half.yaml": "http:\n  routers: [\n", "list.yaml": "- a\n", ".old.yaml": "a: b\n c: d\n", "x.yml": "\ta: b\n",
    ]
    let good = ["12-7-app.yaml": Earlier.fqdn]
    try await withGateway(files: broken.merging(good) { $1 }) { gateway in
      #expect(try await gateway.domains() == ["12-7-app": "app.example.com"])
      #expect(try gateway.files(in: "proxy").keys.sorted() == ["", "12-7-app.yaml"])
      #expect(try gateway.routeFile("12-7-app")?.content.says(Earlier.fqdn) == true)
      #expect(try gateway.files(in: "quarantine").mapValues(\.content) == broken.merging(["": ""]) { $1 })
      let logged = try gateway.logged("file moved to quarantine")
      #expect(logged.allSatisfy { $0["level"] == "error" })
      #expect(
        Dictionary(uniqueKeysWithValues: logged.map { ($0["file"].string ?? "", $0["reason"].string ?? "") }) == [
          "half.yaml": "line 3: did not find expected node content", "list.yaml": "line 1: the root is no mapping",
          ".old.yaml": "line 2: mapping values are not allowed in this context",
          "x.yml": "line 1: found character that cannot start any token",
        ])

      try await gateway.withTraefik { traefik in
        try await eventually {
          try await traefik.routers().keys.sorted()
        } until: {
          $0 == ["12-7-app-route@file"]
        }
      }

      // One of the same name, later, does not replace the first.
      try gateway.root.write("also: [broken\n", to: "proxy/half.yaml")
      try await gateway.restart()
      #expect(try gateway.files(in: "quarantine")["half.yaml"]?.content == broken["half.yaml"])
      #expect(try gateway.files(in: "quarantine")["half.yaml.1"]?.content == "also: [broken\n")
    }
  }

  @Test func olderOfTwoFilesKeepsTheirDomain() async throws {
    let renamed = { (workload: String) in Earlier.fqdn.replacing("12-7-app", with: workload) }
    // The younger one comes first by name.
    let ages = ["a-young": 10.0, "b-old": 1000, "c-younger": 5]
    let named = { (workload: String) in "\(workload).yaml" }
    try await withGateway(
      files: Dictionary(uniqueKeysWithValues: ages.keys.map { (named($0), renamed($0)) }),
      age: Dictionary(uniqueKeysWithValues: ages.map { (named($0), $1) })
    ) { gateway in
      let domains = try await gateway.domains()
      #expect(domains == ["b-old": "app.example.com"])
      #expect(
        try gateway.files(in: "quarantine").mapValues(\.content)
          == ["": "", "a-young.yaml": renamed("a-young"), "c-younger.yaml": renamed("c-younger")])
      #expect(
        try gateway.logged("file moved to quarantine").map { $0["reason"] } == [
          "domain already registered: app.example.com, by the older b-old",
          "domain already registered: app.example.com, by the older b-old",
        ])
    }
  }

  @Test func twoHundredRoutesOutliveARestart() async throws {
    try await HTTPBackend.withServer("one-for-all") { backend in
      try await GatewayProcess.withGateway { gateway in
        func setAll() async throws {
          try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<200 {
              group.addTask {
                switch number % 3 {
                case 0: try await gateway.setName("w-\(number)", "n\(number)", backend.url)
                case 1: try await gateway.setFQDN("w-\(number)", "n\(number).example.org", backend.url)
                default: try await gateway.setFQDN("w-\(number)", "n\(number).example.org", backend.endpoint)
                }
              }
            }
            try await group.waitForAll()
          }
        }
        try await setAll()
        let routes = try await gateway.routes()
        let files = try gateway.files(in: "proxy")
        #expect(routes.count == 200)

        try await gateway.restart()
        #expect(try await gateway.routes() == routes)
        try await setAll()
        #expect(try gateway.files(in: "proxy") == files)

        try await gateway.withTraefik { traefik in
          let routers = try await eventually {
            try await traefik.routers()
          } until: {
            // With the two more of each that passes TLS through.
            $0.count == 200 + 2 * 66
          }
          #expect(routers.values.allSatisfy { $0.status == "enabled" })
          let client = try await traefik.client("web-secure")
          for host in ["n0.\(GatewayProcess.zone)", "n100.example.org", "n198.\(GatewayProcess.zone)"] {
            #expect(try await client.fetch("https://\(host)/").answer?.name == "one-for-all")
          }
        }
      }
    }
  }
}

extension [String: GatewayProcess.File] {
  /// The files in a folder, by their paths there, as if it were the top.
  fileprivate func inFolder(_ folder: String) -> Self {
    reduce(into: [:]) { files, entry in
      if entry.key == folder { files[""] = entry.value }
      if entry.key.hasPrefix("\(folder)/") { files[String(entry.key.dropFirst(folder.count + 1))] = entry.value }
    }
  }
}

extension String {
  /// Whether this text has all lines of another one, in the same order; a port that was left out may be there.
  fileprivate func says(_ other: String) -> Bool {
    var rest = split(separator: "\n")[...]
    return other.split(separator: "\n").allSatisfy { line in
      guard let index = rest.firstIndex(where: { $0 == line || $0 == "\(line):80" }) else { return false }
      rest = rest[(index + 1)...]
      return true
    }
  }
}
