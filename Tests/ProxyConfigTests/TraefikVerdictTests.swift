import Foundation
import TestSupport
import Testing

@testable import ProxyConfig

/// Which files keep Traefik from taking in changes: here and in the real one.
///
/// A Traefik that behaves differently is noticed: every file is given to it.
@Suite(.timeLimit(.minutes(5)))
struct TraefikVerdictTests {
  struct Case: Sendable {
    let name: String
    let bytes: [UInt8]
    /// Whether it is called broken here.
    let isBroken: Bool
    /// Whether Traefik fails on it all the same.
    let isBrokenUnnoticed: Bool

    var description: String { "\(name): \(String(decoding: bytes.prefix(120), as: UTF8.self).debugDescription)" }
  }

  static let cases: [Case] = {
    var cases: [Case] = []

    func add(_ texts: [String], isBroken: Bool, unnoticed: Bool = false, in suffix: String = "yaml") {
      add(texts.map { Array($0.utf8) }, isBroken: isBroken, unnoticed: unnoticed, in: suffix)
    }
    func add(_ files: [[UInt8]], isBroken: Bool, unnoticed: Bool = false, in suffix: String = "yaml") {
      for bytes in files {
        cases.append(
          Case(
            name: "\(isBroken || unnoticed ? "broken" : "taken")-\(cases.count).\(suffix)", bytes: bytes,
            isBroken: isBroken, isBrokenUnnoticed: unnoticed))
      }
    }
    func router(_ field: String) -> String { "http: {routers: {r: {rule: \"Host(`a.b`)\", service: s, \(field)}}}\n" }
    func plugin(_ value: String) -> String { "http: {middlewares: {m: {plugin: {p: {c: \(value)}}}}}\n" }

    add(TraefikVerdicts.routerTaken.map(router), isBroken: false)
    add(TraefikVerdicts.routerBroken.map(router), isBroken: true)
    add(TraefikVerdicts.pluginTaken.map(plugin), isBroken: false)
    add(TraefikVerdicts.pluginBroken.map(plugin), isBroken: true)
    add(TraefikVerdicts.taken, isBroken: false)
    add(try! OddRoutes.all().map { $0.encoded() }, isBroken: false)
    add(try! OddRoutes.all().map { $0.encoded(onHold: true) }, isBroken: false)
    add(TraefikVerdicts.broken, isBroken: true)
    add(TraefikVerdicts.templatesTaken, isBroken: false)
    add(TraefikVerdicts.templatesBroken, isBroken: true)
    add(TraefikVerdicts.templatesUnchecked, isBroken: false, unnoticed: true)
    func comment(_ actions: String) -> String { "a: b\n# \(actions)\n" }
    add(TraefikVerdicts.actionsTaken.map(comment), isBroken: false)
    add(TraefikVerdicts.actionsBroken.map(comment), isBroken: true)
    add(TraefikVerdicts.actionsUnchecked.map(comment), isBroken: false, unnoticed: true)
    func unused(_ actions: String) -> String { comment("{{ if false }}\(actions){{ end }}") }
    add([unused(GoTemplate.functions.map { "{{ \($0) }}" }.joined())], isBroken: false)
    add(TraefikVerdicts.unknownFunctions.map { unused("{{ \($0) }}") }, isBroken: true)
    let nested = String(repeating: "(", count: 300) + "1" + String(repeating: ")", count: 300)
    add([comment("{{ \(nested) }}")], isBroken: false)
    add(TraefikVerdicts.tomlTaken, isBroken: false, in: "toml")
    add(TraefikVerdicts.tomlBroken, isBroken: true, in: "toml")
    add(TraefikVerdicts.tomlUnchecked, isBroken: false, unnoticed: true, in: "toml")

    add(UnreadableFileTests.texts.map(\.0), isBroken: true)
    add(UnreadableFileTests.octets.map { UnreadableFileTests.file($0.bytes) }, isBroken: true)
    add(UnreadableFileTests.octets.map { UnreadableFileTests.file($0.bytes) }, isBroken: true, in: "toml")
    for suffix in ["yml", "YAML", "Yml", ".yaml"] { add(["http: {nope: 1}"], isBroken: true, in: suffix) }
    for suffix in ["yaml~", "yaml.swp", "json", "txt"] { add(["http: {nope: 1}"], isBroken: false, in: suffix) }
    // Where Traefik's parser and libyaml differ.
    add(["a: {b: x?y}", "a: [x? ]", "a: {x? : y}", "a: {b:[c]}", "a: {é: [ü:?]}"], isBroken: true)
    add(
      ["a: x? y", "a: [?x, ? y]", "a: {b: \"x?\"}", "a: {b:}", "a: [b:, c]", "\u{feff}é: {ü:, c: d}"], isBroken: false)
    // Depth: that of collections in flow style, and in block style.
    add(
      [UnreadableFileTests.nested(10_000, "[", "]"), "x:\n" + String(repeating: "- ", count: 9_999) + "a"],
      isBroken: false)
    add(
      [UnreadableFileTests.nested(10_001, "[", "]"), "x:\n" + String(repeating: "- ", count: 10_002) + "a"],
      isBroken: true)
    add([2, 8].map { aliases(ofAliases: $0, times: 2) } + [aliases(ofAliases: 3, times: 9)], isBroken: false)
    add([9, 40].map { aliases(ofAliases: $0, times: 2) } + [aliases(ofAliases: 4, times: 9)], isBroken: true)
    for (count, times, isBroken) in [(1000, 50, false), (1000, 500, true), (10_000, 50, true), (1, 20_000, false)] {
      let list = Array(repeating: "1", count: count).joined(separator: ",")
      let names = Array(repeating: "*a", count: times).joined(separator: ", ")
      add(["x: &a [\(list)]\ny: [\(names)]"], isBroken: isBroken)
    }
    return cases
  }()

  private static func aliases(ofAliases levels: Int, times: Int) -> String {
    var text = "a0: &a0 [x, x]\n"
    for level in 1...levels {
      let names = Array(repeating: "*a\(level - 1)", count: times).joined(separator: ", ")
      text += "a\(level): &a\(level) [\(names)]\n"
    }
    return text
  }

  @Test func filesThatTraefikCannotReadAreToldFromThoseItCan() {
    for entry in Self.cases {
      var isBroken = false
      let file = RouteFile.read(entry.bytes.span, name: entry.name)
      if case .broken = file { isBroken = true }
      #expect(isBroken == entry.isBroken, "\(entry.description): \(file)")
    }
  }

  @Test("Traefik goes on with the files that it is said to go on with, and with no others")
  func verdictsAreThoseOfTraefik() async throws {
    // One of these ends its watch for good.
    let panics = Self.cases.filter { String(decoding: $0.bytes, as: UTF8.self).contains("{c: {\"\": a}}") }
    #expect(panics.count == 1)
    let cases = Self.cases.filter { entry in !panics.contains { $0.name == entry.name } }
    let broken = try await TraefikJudge.brokenFiles(
      among: Dictionary(uniqueKeysWithValues: cases.map { ($0.name, $0.bytes) }))
    for entry in cases {
      #expect(
        broken.contains(entry.name) == (entry.isBroken || entry.isBrokenUnnoticed), "in Traefik: \(entry.description)")
    }
  }

  @Test("An empty name in a plugin's configuration ends Traefik's watch") func traefikPanics() async throws {
    try await TemporaryDirectory.withDirectory { routes in
      try await Traefik.withServer(routes: routes.path) { traefik in
        try routes.write("http: {middlewares: {m: {plugin: {p: {c: {\"\": a}}}}}}\n", to: "panic.yaml")
        try await eventually { traefik.output.contains("panic") }
      }
    }
  }
}
