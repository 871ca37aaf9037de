/// What a file in Traefik's directory turns out to be.
public enum RouteFile: Hashable, Sendable {
  /// A workload's route, written by this module or an earlier one, or by hand to the same effect.
  case route(Route)
  /// Legal YAML that says something else: somebody's own Traefik configuration, which is left alone.
  case foreign(Mismatch)

  /// Where and why a file is no route of ours.
  public struct Mismatch: Error, Hashable, Sendable, CustomStringConvertible {
    /// From 1; `nil` where no one line is to blame.
    public let line: Int?
    public let reason: String

    public var description: String {
      if let line { "line \(line): \(reason)" } else { reason }
    }
  }

  /// In bytes; a route with 64 backends takes less than 8 KiB.
  public static let maximumSize = 256 * 1024

  /// Reads the file `<workload>.yaml`, or one whose name is no workload's, which can be no route.
  ///
  /// It is a route when it says what ``Route/encoded()`` would write, in any legal YAML: other order, quotes, flow style,
  /// comments, aliases; Traefik's keys in any case; rules with back-ticks or double quotes. A route of which one more thing is
  /// said (an entry point, a middleware) is foreign, because writing it anew would lose that.
  ///
  /// Traefik expands Go templates before it reads YAML, so a file with one need not be YAML and is always foreign.
  ///
  /// A file of more than ``maximumSize`` bytes is foreign without a look at it, which bounds the time and memory that any file
  /// can take.
  public static func read(_ bytes: Span<UInt8>, workload: WorkloadID?) throws(UnreadableFile) -> RouteFile {
    guard bytes.count <= maximumSize else {
      return .foreign(Mismatch(line: nil, reason: "it is larger than \(maximumSize) bytes"))
    }
    if let line = lineOfTemplate(bytes) { return .foreign(Mismatch(line: line, reason: "a Go template")) }
    var reader = YAMLDocumentReader()
    try reader.read(bytes)
    if let obstacle = reader.obstacle { return .foreign(obstacle) }
    guard let workload else { return .foreign(Mismatch(line: nil, reason: "its name is no workload's")) }
    let document = YAMLDocument(nodes: reader.nodes, text: reader.text)
    do throws(Mismatch) {
      return .route(try Route(document.root, workload: workload))
    } catch {
      return .foreign(error)
    }
  }

  private static func lineOfTemplate(_ bytes: Span<UInt8>) -> Int? {
    let brace = UInt8(ascii: "{")
    var line = 1
    for index in bytes.indices {
      if bytes[index] == UInt8(ascii: "\n") { line += 1 }
      if bytes[index] == brace, index > 0, bytes[index - 1] == brace { return line }
    }
    return nil
  }
}
