public import Records
public import System

/// What a file in Traefik's directory turns out to be.
public enum RouteFile: Hashable, Sendable {
  /// A workload's route, written by this module or an earlier one, or by hand to the same effect; whether it says all that
  /// ``Route/encoded(trusting:onHold:)`` says today, or what an earlier version did; and whether it is on hold: whether Traefik is to
  /// ask for no certificate for it.
  case route(Route, isCurrent: Bool = true, isOnHold: Bool = false)
  /// Something else that Traefik takes, as far as can be told: somebody's own configuration, which is left alone.
  case foreign(Mismatch)
  /// One that Traefik cannot read, and that therefore keeps it from reading any.
  case broken(UnreadableFile)

  /// Where and why a file is no route of ours.
  public typealias Mismatch = FileMismatch

  /// In bytes; a route with 64 backends takes less than 8 KiB.
  public static let maximumSize = 1 << 20

  /// Whether Traefik reads a file of this name: one that ends in `.yaml`, `.yml` or `.toml`, in any case, hidden or not.
  public static func isRead(_ name: String) -> Bool { Syntax(name) != nil }

  private enum Syntax {
    case yaml
    case toml

    init?(_ name: String) {
      let bytes = name.utf8
      func ends(_ suffix: StaticString) -> Bool {
        bytes.suffix(suffix.utf8CodeUnitCount).elementsEqual(
          UnsafeBufferPointer(start: suffix.utf8Start, count: suffix.utf8CodeUnitCount)
        ) { ASCII.lowercased($0) == $1 }
      }
      if ends(".yaml") || ends(".yml") { self = .yaml } else if ends(".toml") { self = .toml } else { return nil }
    }
  }

  /// Reads the file that has this name in Traefik's directory.
  ///
  /// `<workload>.yaml` is a route when it says what ``Route/encoded(trusting:onHold:)`` would write, in any legal YAML: other order,
  /// quotes, flow style, comments, aliases; Traefik's keys in any case; rules with back-ticks or double quotes. A route of which one
  /// more thing is said (an entry point, another middleware) is foreign, because writing it anew would lose that. So is one of
  /// which some of what a route has today is said otherwise; where all of that is missing, an earlier version wrote it. A file of
  /// any other name is no route.
  ///
  /// What is no route is checked as Traefik 3.7 checks it: the YAML, the fields it knows and the kinds of their values. What is
  /// left alone unchecked, because nothing here can tell, or only at the risk of taking somebody's good file away:
  /// - what a Go template turns into, which Traefik expands before it looks at YAML, and what a function makes of its arguments;
  ///   that Traefik's parser takes the template, with the functions and variables it names, is checked (see `GoTemplate`);
  /// - YAML that libyaml cannot read and Traefik can, `{a:}`;
  /// - TOML, beyond its encoding: neither its syntax nor its fields;
  /// - a file of more than ``maximumSize`` bytes, or of thousands of lists in one another with much in them, which bounds the
  ///   time and memory that any file can take.
  ///
  /// - Parameters:
  ///   - bytes: what is in it.
  ///   - name: the file's, without the directory.
  ///   - proxies: whose `Forwarded` header reaches the backends; a route's file that says otherwise is not current.
  public static func read(_ bytes: Span<UInt8>, name: String, trusting proxies: [IPNetwork] = []) -> RouteFile {
    do throws(UnreadableFile) {
      guard let syntax = Syntax(name) else { return .foreign(Mismatch(line: nil, reason: "Traefik does not read it")) }
      guard bytes.count <= maximumSize else {
        return .foreign(Mismatch(line: nil, reason: "it is larger than \(maximumSize) bytes and was not checked"))
      }
      if let template = try GoTemplate.check(bytes) {
        return .foreign(Mismatch(line: template.line, reason: "a Go template: what comes out of it was not checked"))
      }
      switch syntax {
      case .yaml:
        let workload = name.hasSuffix(".yaml") ? try? WorkloadID(String(name.dropLast(5))) : nil
        return try readYAML(bytes, workload: workload, trusting: proxies)
      case .toml:
        try checkTOML(bytes)
        return .foreign(Mismatch(line: nil, reason: "TOML, which was not checked"))
      }
    } catch {
      return .broken(error)
    }
  }

  private static func readYAML(
    _ bytes: Span<UInt8>, workload: WorkloadID?, trusting proxies: [IPNetwork]
  ) throws(UnreadableFile) -> RouteFile {
    var reader = YAMLDocumentReader()
    try reader.read(bytes)
    if let reason = reader.reasonToGiveUp { return .foreign(Mismatch(line: nil, reason: reason)) }
    guard !reader.nodes.isEmpty else { return .foreign(Mismatch(line: nil, reason: "it is empty")) }
    let document = YAMLDocument(nodes: reader.nodes, text: reader.text)
    let mismatch: Mismatch
    if let line = reader.lineOfTag {
      mismatch = Mismatch(line: line, reason: "a tag")
    } else if let workload {
      do throws(Mismatch) {
        // Traefik takes every route, so that most files need no second look.
        let reading = try Route.FileReading(document.root, workload: workload, trusting: proxies)
        return .route(reading.route, isCurrent: reading.isCurrent, isOnHold: reading.isOnHold)
      } catch {
        mismatch = error
      }
    } else {
      mismatch = Mismatch(line: nil, reason: "its name is no workload's")
    }
    try document.checkDecoding()
    try DynamicConfiguration.check(document)
    return .foreign(mismatch)
  }

  private static func checkTOML(_ bytes: Span<UInt8>) throws(UnreadableFile) {
    let isText = bytes.withUnsafeBufferPointer { String(validating: $0, as: UTF8.self) != nil && !$0.contains(0) }
    guard isText else { throw UnreadableFile(line: nil, problem: "TOML that is not UTF-8") }
  }
}
