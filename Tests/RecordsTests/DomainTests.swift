import Records
import System
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct LabelTests {
  @Test(arguments: [
    ("Example", "example"), ("a", "a"), ("0", "0"), ("_acme-challenge", "_acme-challenge"), ("-x-", "-x-"),
    ("xn--e1afmkfd", "xn--e1afmkfd"), (String(repeating: "A", count: 63), String(repeating: "a", count: 63)),
  ])
  func isKeptInLowerCase(text: String, label: String) throws {
    #expect(try Label(text).rawValue == label)
  }

  @Test(arguments: [
    ("", #"invalid name "": it is empty"#),
    ("A.b", #"invalid name "A.b": it is one label, without the node's domain: "a""#),
    ("a`.b", #"invalid name "a`.b": it may hold only letters, digits, '-' and '_'"#),
    (
      "Bücher",
      #"invalid name "Bücher": it may hold only letters, digits, '-' and '_'; in the DNS it is written "xn--bcher-kva""#
    ),
    ("a`", #"invalid name "a`": it may hold only letters, digits, '-' and '_'"#),
    ("*", #"invalid name "*": it may hold only letters, digits, '-' and '_'"#),
    // The Kelvin sign, whose lower case is an ASCII k.
    ("\u{212a}", "invalid name \"\u{212a}\": it may hold only letters, digits, '-' and '_'"),
    ("a ", #"invalid name "a ": it may hold only letters, digits, '-' and '_'"#),
    (
      String(repeating: "a", count: 64),
      "invalid name \"\(String(repeating: "a", count: 64))\": it is longer than 63 bytes"
    ),
  ])
  func refusesTheRest(text: String, error: String) {
    expectInvalid(error) { () throws(InvalidValue) in try Label(text) }
  }
}

@Suite(.timeLimit(.minutes(5)))
struct DomainTests {
  static let label63 = String(repeating: "a", count: 63)
  /// 253 bytes.
  static let longest = "\(label63).\(label63).\(label63).\(String(repeating: "a", count: 61))"

  @Test(arguments: [
    ("Example.COM", "example.com"), ("example.com.", "example.com"), ("a.b", "a.b"), ("1.e3", "1.e3"),
    ("_x.-y-.xn--p1ai", "_x.-y-.xn--p1ai"), ("127.0.0.1.nip.io", "127.0.0.1.nip.io"), (longest, longest),
    (longest + ".", longest),
  ])
  func isKeptInLowerCaseWithoutATrailingDot(text: String, domain: String) throws {
    #expect(try Domain(text).rawValue == domain)
  }

  @Test(arguments: [
    ("", #"invalid domain "": it is empty"#),
    (".", #"invalid domain ".": it is empty"#),
    ("..", #"invalid domain "..": a label is empty"#),
    ("localhost", #"invalid domain "localhost": it needs at least two labels"#),
    ("localhost.", #"invalid domain "localhost.": it needs at least two labels"#),
    ("a..b", #"invalid domain "a..b": a label is empty"#),
    (".a.b", #"invalid domain ".a.b": a label is empty"#),
    ("a.b..", #"invalid domain "a.b..": a label is empty"#),
    ("*.example.com", #"invalid domain "*.example.com": a label may hold only letters, digits, '-' and '_'"#),
    ("a`) || Host(`b.c", #"invalid domain "a`) || Host(`b.c": a label may hold only letters, digits, '-' and '_'"#),
    ("exa mple.com", #"invalid domain "exa mple.com": a label may hold only letters, digits, '-' and '_'"#),
    ("example.com\n", #"invalid domain "example.com\n": a label may hold only letters, digits, '-' and '_'"#),
    ("example.com\0", #"invalid domain "example.com\u{0}": a label may hold only letters, digits, '-' and '_'"#),
    (
      "пример.РФ.",
      #"invalid domain "пример.РФ.": a label may hold only letters, digits, '-' and '_'; "#
        + #"in the DNS it is written "xn--e1afmkfd.xn--p1ai""#
    ),
    // Of what has combining characters, or is no letter, only the tables of IDNA tell.
    ("bu\u{308}cher.de", "invalid domain \"bu\u{308}cher.de\": a label may hold only letters, digits, '-' and '_'"),
    ("☃.net", #"invalid domain "☃.net": a label may hold only letters, digits, '-' and '_'"#),
    ("http://a.b", #"invalid domain "http://a.b": a label may hold only letters, digits, '-' and '_'"#),
    ("a.b:80", #"invalid domain "a.b:80": a label may hold only letters, digits, '-' and '_'"#),
    ("10.0.0.1", #"invalid domain "10.0.0.1": the last label is a number"#),
    ("a.12", #"invalid domain "a.12": the last label is a number"#),
    ("\(label63)a.b", "invalid domain \"\(label63)a.b\": a label is longer than 63 bytes"),
    (longest + "a", "invalid domain \"\(longest.prefix(100))…\": it is longer than 253 bytes"),
  ])
  func refusesTheRest(text: String, error: String) {
    expectInvalid(error) { () throws(InvalidValue) in try Domain(text) }
  }

  @Test(arguments: [
    ("gent01.dev.grid.tf", true), ("a.gent01.dev.grid.tf", true), ("a.b.gent01.dev.grid.tf", true),
    ("evilgent01.dev.grid.tf", false), ("dev.grid.tf", false), ("gent01.dev.grid.tf.evil.com", false),
    ("gent02.dev.grid.tf", false),
  ])
  func isInsideAZoneByLabels(domain: String, isInside: Bool) throws {
    #expect(try Domain(domain).isInside(Domain("gent01.dev.grid.tf")) == isInside)
  }

  @Test func isMadeOfALabelInAZone() throws {
    let zone = try Domain("gent01.dev.grid.tf")
    let domain = try Domain(Label("Site"), in: zone)
    #expect(domain.rawValue == "site.gent01.dev.grid.tf")
    #expect(domain.parent == zone)
  }

  @Test func isNotLongerThan253BytesInAZoneEither() throws {
    let zone = try Domain(String(Self.longest.dropFirst(2)))
    let label = try Label("ab")
    expectInvalid(
      "invalid domain \"ab.\(String(repeating: "a", count: 61)).\(Self.label63.prefix(35))…\": it is longer than 253 bytes"
    ) {
      () throws(InvalidValue) in try Domain(label, in: zone)
    }
  }

  @Test func hasAParentUnlessThatIsOneLabel() throws {
    #expect(try Domain("a.b.c").parent == Domain("b.c"))
    #expect(try Domain("b.c").parent == nil)
  }
}
