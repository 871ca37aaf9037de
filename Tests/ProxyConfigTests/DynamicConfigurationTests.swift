import TestSupport
import Testing

@testable import ProxyConfig

/// Whether the table of fields is Traefik's own.
@Suite(.timeLimit(.minutes(5)))
struct DynamicConfigurationTests {
  private struct Case {
    let text: String
    let isBroken: Bool
  }

  /// For each field of each structure: one file that uses it, one in which it is misspelt, and where Traefik is particular,
  /// one with a value it does not take.
  private static func cases() -> [Case] {
    var cases: [Case] = []
    var seen: [Bool: Set<ObjectIdentifier>] = [:]

    func visit(_ structure: DynamicConfiguration.Structure, isRead: Bool, _ wrap: @escaping (String) -> String) {
      guard seen[isRead, default: []].insert(ObjectIdentifier(structure)).inserted else { return }
      for (name, field) in structure.fields.sorted(by: { $0.key < $1.key }) {
        var (kind, isRead, mayBeEmptyUnread) = (field, isRead, false)
        if case .unread(let inner) = field { (kind, isRead, mayBeEmptyUnread) = (inner, false, true) }
        func add(_ value: String, isBroken: Bool, name: String = name) {
          cases.append(Case(text: wrap("\(name): \(value)") + "\n", isBroken: isBroken))
        }
        let wrapField = { (text: String) in wrap("\(name): {\(text)}") }
        switch kind {
        case .string:
          add("text", isBroken: false)
          add("{a: b}", isBroken: true)
          add("text", isBroken: true, name: name + "x")
        case .bool:
          add("true", isBroken: false)
          add("yes", isBroken: isRead)
          add("true", isBroken: true, name: name + "x")
        case .int:
          add("1", isBroken: false)
          add("1s", isBroken: isRead)
          add("1", isBroken: true, name: name + "x")
        case .duration:
          add("1m30s", isBroken: false)
          add("1d", isBroken: isRead)
          add("1s", isBroken: true, name: name + "x")
        case .list:
          add("[a, b]", isBroken: false)
          add("[{a: b}]", isBroken: true)
          add("[a]", isBroken: true, name: name + "x")
        case .structure(let inner, let mayBeEmpty):
          add("{}", isBroken: !mayBeEmpty && !mayBeEmptyUnread)
          add("{nonsense: 1}", isBroken: true)
          visit(inner, isRead: isRead, wrapField)
        case .structures(let inner):
          add("[]", isBroken: false)
          add("[{nonsense: 1}]", isBroken: true)
          visit(inner, isRead: isRead) { text in wrap("\(name): [{\(text)}]") }
        case .map(let element):
          add("{}", isBroken: !mayBeEmptyUnread)
          switch element {
          case .structure(let inner, _):
            add("{any: {}}", isBroken: false)
            add("{any: {nonsense: 1}}", isBroken: true)
            visit(inner, isRead: isRead) { text in wrapField("any: {\(text)}") }
          case .any:
            add("{any: {a: {b: [c]}}}", isBroken: false)
            add("{any: {a: [[c]]}}", isBroken: true)
          case .int:
            add("{any: 1}", isBroken: false)
            add("{any: a}", isBroken: true)
          default:
            add("{any: text}", isBroken: false)
          }
        case .any, .unread: break
        }
      }
    }
    visit(DynamicConfiguration.root, isRead: true) { $0 }
    // What Traefik does not know at the root it does not look at.
    return cases + [Case(text: "nonsense: {a: [[1]]}\n", isBroken: false)]
  }

  @Test("Traefik knows these fields, takes these values for them, and knows no others")
  func fieldsAreThoseOfTraefik() async throws {
    let cases = Self.cases()
    #expect(cases.count > 900)
    for entry in cases {
      let file = RouteFile.read(entry.text, "site")
      var isBroken = false
      if case .broken = file { isBroken = true }
      #expect(isBroken == entry.isBroken, "\(entry.text): \(file)")
    }
    let files = Dictionary(
      uniqueKeysWithValues: cases.enumerated().map { index, entry in
        ("\(entry.isBroken ? "broken" : "taken")-\(index).yaml", entry)
      })
    let broken = try await TraefikJudge.brokenFiles(among: files.mapValues { Array($0.text.utf8) })
    for (name, entry) in files {
      #expect(broken.contains(name) == entry.isBroken, "in Traefik: \(entry.text)")
    }
  }
}
