import CLibYAML

/// Turns libyaml's events into the nodes of the first document, and finds what Traefik's parser fails on beyond syntax.
package struct YAMLDocumentReader {
  package typealias Node = YAMLDocument.Node

  /// Of collections in one another, of flow and of block style each; beyond it Traefik's parser fails.
  private static let maximumDepth = 10_000
  /// libyaml spends as much on a token as there are collections around it. This is a few tenths of a second.
  private static let maximumWork = 200_000_000

  package private(set) var nodes: [Node] = []
  package private(set) var text: [UInt8] = []
  /// The line of the first node that says more of its type than its form does, which no route has.
  package private(set) var lineOfTag: Int?

  /// Why the rest of the document was left unread; nil when it was not.
  package private(set) var reasonToGiveUp: String?

  private var flowDepth = 0
  private var work = 0
  /// The sequences and mappings that have not ended yet.
  private var open: [Int] = []
  private var anchors: [String: Int] = [:]

  package init() {
    // What a route with one backend takes.
    nodes.reserveCapacity(40)
    text.reserveCapacity(480)
  }

  package mutating func read(_ bytes: Span<UInt8>) throws(UnreadableFile) {
    try bytes.withUnsafeBufferPointer { (buffer) throws(UnreadableFile) in
      var parser = YAMLParser(buffer)
      while let goesOn = try parser.next({ (event) throws(UnreadableFile) in try add(event) }) {
        if !goesOn { return }
      }
      reasonToGiveUp = "YAML that cannot be checked"
    }
  }

  /// Returns whether more of the document follows.
  private mutating func add(_ event: borrowing yaml_event_t) throws(UnreadableFile) -> Bool {
    work += flowDepth
    guard work <= Self.maximumWork else {
      reasonToGiveUp = "nested too deeply to be checked"
      return false
    }
    switch event.type {
    case YAML_DOCUMENT_START_EVENT:
      if let version = event.data.document_start.version_directive?.pointee, (version.major, version.minor) != (1, 1) {
        throw fault(event, "YAML \(version.major).\(version.minor), of which Traefik reads only 1.1")
      }
    case YAML_DOCUMENT_END_EVENT, YAML_STREAM_END_EVENT:
      return false
    case YAML_SCALAR_EVENT:
      let scalar = event.data.scalar
      let start = text.count
      text.append(contentsOf: UnsafeBufferPointer(start: scalar.value, count: scalar.length))
      if flowDepth > 0, scalar.style == YAML_PLAIN_SCALAR_STYLE,
        text[start...].dropFirst().contains(UInt8(ascii: "?"))
      {
        throw fault(event, "a '?' in flow style must be in quotes")
      }
      let isPlain = scalar.style == YAML_PLAIN_SCALAR_STYLE && scalar.tag == nil
      try addNode(
        isPlain ? .plain : .string, text: start..<text.count, tag: scalar.tag, anchor: scalar.anchor, at: event)
    case YAML_SEQUENCE_START_EVENT:
      let sequence = event.data.sequence_start
      try enter(isFlow: sequence.style == YAML_FLOW_SEQUENCE_STYLE, event)
      try addNode(.sequence, tag: sequence.tag, anchor: sequence.anchor, at: event)
    case YAML_MAPPING_START_EVENT:
      let mapping = event.data.mapping_start
      try enter(isFlow: mapping.style == YAML_FLOW_MAPPING_STYLE, event)
      try addNode(.mapping, tag: mapping.tag, anchor: mapping.anchor, at: event)
    case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT:
      // In flow style, all that is inside is in flow style.
      if flowDepth > 0 { flowDepth -= 1 }
      if let index = open.popLast() { nodes[index].end = nodes.count }
    case YAML_ALIAS_EVENT:
      guard let target = anchors[String(cString: event.data.alias.anchor)] else {
        throw fault(event, "an alias of an unknown anchor")
      }
      guard nodes[target].end > target else { throw fault(event, "an alias inside what it stands for") }
      try addNode(.alias, target: target, tag: nil, anchor: nil, at: event)
    default:
      break
    }
    return true
  }

  private mutating func enter(isFlow: Bool, _ event: borrowing yaml_event_t) throws(UnreadableFile) {
    if isFlow { flowDepth += 1 }
    guard flowDepth <= Self.maximumDepth, open.count - flowDepth < Self.maximumDepth else {
      throw fault(event, "nested deeper than Traefik reads")
    }
  }

  private mutating func addNode(
    _ kind: Node.NodeKind, text: Range<Int> = 0..<0, target: Int = 0, tag: UnsafePointer<yaml_char_t>?,
    anchor: UnsafePointer<yaml_char_t>?, at event: borrowing yaml_event_t
  ) throws(UnreadableFile) {
    if nodes.isEmpty, kind != .mapping {
      guard kind == .plain, isNull(text) else { throw fault(event, "the root is no mapping") }
      return
    }
    let line = Self.line(event)
    var meaning: Node.Tag?
    if let tag {
      let name = String(cString: tag)
      meaning = Self.meaning(of: name)
      if lineOfTag == nil, !Self.isHarmless(name) { lineOfTag = line }
    }
    if let anchor { anchors[String(cString: anchor)] = nodes.count }
    let isCollection = kind == .sequence || kind == .mapping
    if isCollection { open.append(nodes.count) }
    nodes.append(
      Node(
        kind: kind, tag: meaning, line: line, text: text,
        // Of one that is still open, none; see aliases.
        end: isCollection ? nodes.count : nodes.count + 1, target: target))
  }

  /// Traefik takes a file of nothing but a null for an empty one.
  private func isNull(_ scalar: Range<Int>) -> Bool {
    ["", "~", "null", "Null", "NULL"].contains { text[scalar].elementsEqual($0.utf8) }
  }

  /// Whether a tag says no more than the node's own form does.
  private static func isHarmless(_ tag: String) -> Bool {
    ["!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"].contains(tag)
  }

  private static func meaning(of tag: String) -> Node.Tag {
    switch tag {
    case "tag:yaml.org,2002:null": .null
    case "tag:yaml.org,2002:bool": .bool
    case "tag:yaml.org,2002:int": .int
    case "tag:yaml.org,2002:float": .float
    case "tag:yaml.org,2002:timestamp": .timestamp
    case "tag:yaml.org,2002:binary": .binary
    default: .other
    }
  }

  private static func line(_ event: borrowing yaml_event_t) -> Int {
    Int(event.start_mark.line) + 1
  }

  private func fault(_ event: borrowing yaml_event_t, _ problem: String) -> UnreadableFile {
    UnreadableFile(line: Self.line(event), problem: problem)
  }
}
