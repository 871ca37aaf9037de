import ProxyConfig
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct UnreadableFileTests {
  private func expectUnreadable(
    _ bytes: [UInt8], _ description: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let file = RouteFile.read(bytes, "site")
    guard case .broken(let fault) = file else {
      Issue.record("read as \(file)", sourceLocation: sourceLocation)
      return
    }
    #expect(fault.description == description, sourceLocation: sourceLocation)
  }

  static let texts = [
    ("http:\n  routers: [\n", "line 3: did not find expected node content"),
    ("a: b\n c: d\n", "line 2: mapping values are not allowed in this context"),
    ("a: b\nc\n", "line 3: could not find expected ':'"),
    ("a: 'b\n", "line 2: found unexpected end of stream"),
    ("\ta: b\n", "line 1: found character that cannot start any token"),
    ("a: `b`\n", "line 1: found character that cannot start any token"),
    ("a: !<x\n", "line 1: did not find the expected '>'"),
    ("a: b\n\u{1}\n", "line 2: control characters are not allowed"),
    ("%YAML 1.2\n---\na: b\n", "line 1: YAML 1.2, of which Traefik reads only 1.1"),
    ("...\n", "line 1: did not find expected node content"),
    ("- a\n", "line 1: the root is no mapping"),
    ("\n\nabc\n", "line 3: the root is no mapping"),
    ("\"\"\n", "line 1: the root is no mapping"),
    ("'null'\n", "line 1: the root is no mapping"),
    ("*a\n", "line 1: an alias of an unknown anchor"),
    ("a: 1\nb: *a\n", "line 2: an alias of an unknown anchor"),
    ("a: &a\n  b: *a\n", "line 2: an alias inside what it stands for"),
    ("a: 1\nb: 2\n\"a\": 3\n", "line 3: the key \"a\" is there twice"),
    ("x:\n- {a: {b: [c]}, d: e, a: f}\n", "line 2: the key \"a\" is there twice"),
  ]

  @Test("What Traefik cannot read is told with its line", arguments: texts)
  func tellsTheLine(text: String, description: String) throws {
    try expectUnreadable(Array(text.utf8), description)
  }

  static let octets: [(bytes: [UInt8], description: String)] = [
    ([0xff], "line 2: invalid leading UTF-8 octet"), ([0xc3, 0x28], "line 2: invalid trailing UTF-8 octet"),
    ([0xc0, 0x80], "line 2: invalid length of a UTF-8 sequence"),
    ([0xed, 0xa0, 0x80], "line 2: invalid Unicode character"),
    ([0xf4, 0x90, 0x80, 0x80], "line 2: invalid Unicode character"),
    ([0xe2, 0x82], "line 2: incomplete UTF-8 octet sequence"), ([0], "line 2: control characters are not allowed"),
  ]

  @Test("Bytes that are not UTF-8 are told with their line", arguments: octets)
  func isNotUTF8(bytes: [UInt8], description: String) throws {
    try expectUnreadable(Self.file(bytes), description)
  }

  /// A file with these bytes in a comment on its second line.
  static func file(_ bytes: [UInt8]) -> [UInt8] {
    Array("a: b\n# ".utf8) + bytes
  }

  static func nested(_ depth: Int, _ open: String, _ close: String) -> String {
    "x: " + String(repeating: open, count: depth) + "1" + String(repeating: close, count: depth)
  }

  @Test(arguments: [("[", "]"), ("{a: ", "}")])
  func isNestedDeeperThanTraefikReads(open: String, close: String) throws {
    #expect(
      "\(RouteFile.read(Self.nested(10_000, open, close), "site"))"
        == "foreign(line 1: a route has no \"x\" here)"
    )
    try expectUnreadable(Array(Self.nested(10_001, open, close).utf8), "line 1: nested deeper than Traefik reads")
    try expectUnreadable(Array(Self.nested(20_000, open, close).utf8), "line 1: nested deeper than Traefik reads")
  }

  @Test func isBrokenBeyondWhatARouteHolds() throws {
    let many = (0..<2000).map { "key\($0): value\n" }.joined()
    #expect("\(RouteFile.read(many, "site"))" == "foreign(line 1: a route has no \"key0\" here)")
    try expectUnreadable(Array((many + "x: [").utf8), "line 2002: did not find expected node content")
    try expectUnreadable(Array((many + "key7: [").utf8), "line 2002: did not find expected node content")
    try expectUnreadable(Array((many + "key7: value").utf8), "line 2001: the key \"key7\" is there twice")
  }

  @Test func isNotLookedForInAFileLargerThanAnyRoute() throws {
    let file = [UInt8](repeating: UInt8(ascii: "["), count: RouteFile.maximumSize + 1)
    #expect("\(RouteFile.read(file, "site"))" == "foreign(it is larger than 1048576 bytes and was not checked)")
  }

  @Test("Aliases of aliases cost no more than what Traefik spends on them")
  func bearsBillionLaughs() throws {
    var text = "a0: &a0 [x, x]\n"
    for level in 1...100 { text += "a\(level): &a\(level) [*a\(level - 1), *a\(level - 1)]\n" }
    try expectUnreadable(Array(text.utf8), "line 3: aliases of aliases: there is too much of them")
  }

  @Test("A file that would take long to read is left unchecked")
  func givesUpOnDeepFiles() throws {
    let text = Self.nested(9_000, "[", "]").replacing("1", with: String(repeating: "a,", count: 400_000))
    #expect("\(RouteFile.read(text, "site"))" == "foreign(nested too deeply to be checked)")
  }

  @Test("No bytes crash the reader", arguments: 0..<8 as Range<UInt64>)
  func survivesMutations(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let files = try OddRoutes.all().map { $0.encoded() }
    let pieces = [
      "&a ", "*a", "? ", "- ", "{", "}", "[", "]", ": ", "\n", "  ", "!!str ", "'", "\"", "|\n", "%YAML 1.1\n", "---\n",
      "\u{feff}",
      "<<: ",
    ]
    for _ in 0..<2000 {
      var bytes = files.randomElement(using: &generator)!
      for _ in 0..<Int.random(in: 1...6, using: &generator) {
        let place = Int.random(in: 0...bytes.count, using: &generator)
        switch Int.random(in: 0..<5, using: &generator) {
        case 0: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: place)
        case 1: bytes.insert(contentsOf: Array(pieces.randomElement(using: &generator)!.utf8), at: place)
        case 2: bytes.removeSubrange(place..<min(bytes.count, place + Int.random(in: 1...40, using: &generator)))
        case 3: bytes.insert(contentsOf: bytes.prefix(place), at: place)
        default: if place < bytes.count { bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator) }
        }
      }
      // What is read as a route is one: it can be written, and reads the same again.
      if case .route(let route, _, _) = RouteFile.read(bytes, "many") {
        #expect(RouteFile.read(route.encoded(), "many") == .route(route))
      }
    }
  }
}
