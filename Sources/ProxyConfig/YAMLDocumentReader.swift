import CLibYAML

/// Turns libyaml's events into the nodes of the first document, and finds what Traefik's reader fails on beyond syntax.
///
/// Of a document that is larger than any route, or cannot be one for what stands in it, nothing more is kept from there on; the
/// rest is still read, for its syntax.
struct YAMLDocumentReader {
  typealias Node = YAMLDocument.Node

  /// A route with 64 backends has about 220 nodes, which hold less than 8 KiB of text.
  private static let maximumNodes = 1024
  private static let maximumText = 65536
  /// Of `[` and `{` in one another; beyond it Traefik's reader fails.
  private static let maximumFlowDepth = 10_000

  private(set) var nodes: [Node] = []
  private(set) var text: [UInt8] = []
  /// Why this is no route, though legal YAML; the nodes are then not all there.
  private(set) var obstacle: RouteFile.Mismatch?

  private var flowDepth = 0
  /// The sequences and mappings that have not ended yet.
  private var open: [Int] = []
  private var anchors: [String: Int] = [:]

  init() {
    // What a route with one backend takes.
    nodes.reserveCapacity(40)
    text.reserveCapacity(480)
  }

  mutating func read(_ bytes: Span<UInt8>) throws(UnreadableFile) {
    try bytes.withUnsafeBufferPointer { (buffer) throws(UnreadableFile) in
      var parser = YAMLParser(buffer)
      while try parser.next({ (event) throws(UnreadableFile) in try add(event) }) {}
    }
    if nodes.isEmpty, obstacle == nil { obstacle = RouteFile.Mismatch(line: nil, reason: "it is empty") }
  }

  /// Returns whether more of the document follows.
  private mutating func add(_ event: borrowing yaml_event_t) throws(UnreadableFile) -> Bool {
    switch event.type {
    case YAML_DOCUMENT_START_EVENT:
      if let version = event.data.document_start.version_directive?.pointee, (version.major, version.minor) != (1, 1) {
        throw fault(event, "YAML \(version.major).\(version.minor), of which Traefik reads only 1.1")
      }
    case YAML_DOCUMENT_END_EVENT, YAML_STREAM_END_EVENT:
      return false
    case YAML_SCALAR_EVENT:
      let scalar = event.data.scalar
      guard obstacle == nil else { break }
      let start = text.count
      guard scalar.length <= Self.maximumText - start else {
        obstacle = mismatch(event, "more text than a route has")
        break
      }
      text.append(contentsOf: UnsafeBufferPointer(start: scalar.value, count: scalar.length))
      let isPlain = scalar.style == YAML_PLAIN_SCALAR_STYLE && scalar.tag == nil
      try addNode(
        isPlain ? .plain : .string, text: start..<text.count, tag: scalar.tag, anchor: scalar.anchor, at: event)
    case YAML_SEQUENCE_START_EVENT:
      let sequence = event.data.sequence_start
      if sequence.style == YAML_FLOW_SEQUENCE_STYLE { try enterFlow(event) }
      try addNode(.sequence, tag: sequence.tag, anchor: sequence.anchor, at: event)
    case YAML_MAPPING_START_EVENT:
      let mapping = event.data.mapping_start
      if mapping.style == YAML_FLOW_MAPPING_STYLE { try enterFlow(event) }
      try addNode(.mapping, tag: mapping.tag, anchor: mapping.anchor, at: event)
    case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT:
      // In flow style, all that is inside is in flow style.
      if flowDepth > 0 { flowDepth -= 1 }
      guard obstacle == nil, let index = open.popLast() else { break }
      nodes[index].end = nodes.count
      if nodes[index].kind == .mapping { try refuseRepeatedKeys(in: index) }
    case YAML_ALIAS_EVENT:
      guard obstacle == nil else { break }
      guard let target = anchors[String(cString: event.data.alias.anchor)] else {
        throw fault(event, "an alias of an unknown anchor")
      }
      guard !open.contains(target) else { throw fault(event, "an alias inside what it stands for") }
      try addNode(.alias, target: target, tag: nil, anchor: nil, at: event)
    default:
      break
    }
    return true
  }

  private mutating func enterFlow(_ event: borrowing yaml_event_t) throws(UnreadableFile) {
    flowDepth += 1
    guard flowDepth <= Self.maximumFlowDepth else { throw fault(event, "nested deeper than Traefik reads") }
  }

  private mutating func addNode(
    _ kind: Node.Kind, text: Range<Int> = 0..<0, target: Int = 0, tag: UnsafePointer<yaml_char_t>?,
    anchor: UnsafePointer<yaml_char_t>?, at event: borrowing yaml_event_t
  ) throws(UnreadableFile) {
    guard obstacle == nil else { return }
    guard nodes.count < Self.maximumNodes else {
      obstacle = mismatch(event, "more nodes than a route has")
      return
    }
    if nodes.isEmpty, kind != .mapping {
      guard kind == .plain, isNull(text) else { throw fault(event, "the root is no mapping") }
      return
    }
    if let tag, !Self.isHarmless(String(cString: tag)) { obstacle = mismatch(event, "a tag") }
    if let anchor { anchors[String(cString: anchor)] = nodes.count }
    if kind == .sequence || kind == .mapping { open.append(nodes.count) }
    nodes.append(Node(kind: kind, line: Self.line(event), text: text, end: nodes.count + 1, target: target))
  }

  /// Traefik takes a file of nothing but a null for an empty one.
  private func isNull(_ scalar: Range<Int>) -> Bool {
    ["", "~", "null", "Null", "NULL"].contains { text[scalar].elementsEqual($0.utf8) }
  }

  /// Traefik's reader fails on them.
  private func refuseRepeatedKeys(in mapping: Int) throws(UnreadableFile) {
    var key = mapping + 1
    while key < nodes[mapping].end {
      var earlier = mapping + 1
      while earlier < key {
        if nodes[key].isScalar, nodes[earlier].isScalar, text[nodes[key].text] == text[nodes[earlier].text] {
          let name = quoted(String(decoding: text[nodes[key].text], as: UTF8.self))
          throw UnreadableFile(line: nodes[key].line, problem: "the key \(name) is there twice")
        }
        earlier = nodes[nodes[earlier].end].end
      }
      key = nodes[nodes[key].end].end
    }
  }

  /// Whether a tag says no more than the node's own form does.
  private static func isHarmless(_ tag: String) -> Bool {
    ["!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"].contains(tag)
  }

  private static func line(_ event: borrowing yaml_event_t) -> Int {
    Int(event.start_mark.line) + 1
  }

  private func fault(_ event: borrowing yaml_event_t, _ problem: String) -> UnreadableFile {
    UnreadableFile(line: Self.line(event), problem: problem)
  }

  private func mismatch(_ event: borrowing yaml_event_t, _ reason: String) -> RouteFile.Mismatch {
    RouteFile.Mismatch(line: Self.line(event), reason: reason)
  }
}
