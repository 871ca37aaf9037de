import System

/// A node of a document that is compared with what a route has to say; everything else throws where it differs and how.
package struct YAMLNode {
  private let document: YAMLDocument
  private let index: Int

  package init(_ document: YAMLDocument, _ index: Int) {
    self.document = document
    self.index = document.nodes[index].kind == .alias ? document.nodes[index].target : index
  }

  private var node: YAMLDocument.Node { document.nodes[index] }

  private var bytes: ArraySlice<UInt8> { document.text[node.text] }

  package func mismatch(_ reason: String) -> FileMismatch {
    FileMismatch(line: node.line, reason: reason)
  }

  /// The values of a mapping that has no other keys than `names`, which match as Traefik matches them,
  /// in any case.
  package func fields<let count: Int>(
    _ names: InlineArray<count, StaticString>
  ) throws(FileMismatch) -> InlineArray<count, YAMLNode?> {
    var values = InlineArray<count, YAMLNode?>(repeating: nil)
    try forEachField { (key, value) throws(FileMismatch) in
      guard let place = names.indices.first(where: { key.isKey(names[$0]) }) else {
        throw key.otherKey
      }
      guard values[place] == nil else { throw key.mismatch("\(key.quotedText) is there twice") }
      values[place] = value
    }
    return values
  }

  /// The value of a mapping's only field, which is called `name`.
  package func only(_ name: String) throws(FileMismatch) -> YAMLNode {
    var found: YAMLNode?
    try forEachField { (key, value) throws(FileMismatch) in
      guard found == nil, try key.isString(name) else { throw key.mismatch("not the one \(quoted(name)) of a route") }
      found = value
    }
    guard let found else { throw mismatch("\(quoted(name)) is missing") }
    return found
  }

  /// The values of a mapping's fields: of the one that is called `name`, and of another one, which may be missing.
  package func only(_ name: String, and other: @autoclosure () -> String) throws(FileMismatch) -> (YAMLNode, YAMLNode?)
  {
    var found: (YAMLNode?, YAMLNode?)
    try forEachField { (key, value) throws(FileMismatch) in
      if found.0 == nil, try key.isString(name) {
        found.0 = value
      } else if found.1 == nil, try key.isString(other()) {
        found.1 = value
      } else {
        throw key.mismatch("not the one \(quoted(name)) of a route")
      }
    }
    guard let first = found.0 else { throw mismatch("\(quoted(name)) is missing") }
    return (first, found.1)
  }

  /// The value of a mapping's field; nil where there is none. Other fields may be there.
  package func field(_ name: String) throws(FileMismatch) -> YAMLNode? {
    var found: YAMLNode?
    try forEachField { (key, value) throws(FileMismatch) in
      if try key.isString(name) { found = value }
    }
    return found
  }

  package func forEachField(
    _ body: (_ key: YAMLNode, _ value: YAMLNode) throws(FileMismatch) -> Void
  ) throws(FileMismatch) {
    guard node.kind == .mapping else { throw mismatch("a mapping is needed") }
    var key = index + 1
    while key < node.end {
      let value = document.nodes[key].end
      try body(YAMLNode(document, key), YAMLNode(document, value))
      key = document.nodes[value].end
    }
  }

  /// The elements of a sequence.
  package var elements: [YAMLNode] {
    get throws(FileMismatch) {
      guard node.kind == .sequence else { throw mismatch("a sequence is needed") }
      var elements: [YAMLNode] = []
      var element = index + 1
      while element < node.end {
        elements.append(YAMLNode(document, element))
        element = document.nodes[element].end
      }
      return elements
    }
  }

  /// The element of a sequence that has one.
  package var onlyElement: YAMLNode {
    get throws(FileMismatch) {
      let elements = try elements
      guard elements.count == 1 else { throw mismatch("one element is needed, there are \(elements.count)") }
      return elements[0]
    }
  }

  package var string: String {
    get throws(FileMismatch) { String(decoding: try stringBytes, as: UTF8.self) }
  }

  package func isString(_ text: String) throws(FileMismatch) -> Bool {
    try stringBytes.elementsEqual(text.utf8)
  }

  private var stringBytes: ArraySlice<UInt8> {
    get throws(FileMismatch) {
      guard node.isScalar else { throw mismatch("a string is needed") }
      guard node.kind == .string || !PlainScalar.isAmbiguous(bytes) else {
        throw mismatch("\(quotedText) is no string without quotes")
      }
      return bytes
    }
  }

  /// Whether this is what Traefik takes for true, as a truth value or as a string (Go's `strconv.ParseBool`).
  package var isTrue: Bool {
    node.isScalar && ["1", "t", "T", "true", "True", "TRUE"].contains { bytes.elementsEqual($0.utf8) }
  }

  package func isKey(_ name: StaticString) -> Bool {
    guard node.isScalar, bytes.count == name.utf8CodeUnitCount else { return false }
    return bytes.elementsEqual(UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)) {
      ASCII.lowercased($0) == ASCII.lowercased($1)
    }
  }

  /// Of a scalar, of whatever type; empty for anything else.
  var scalarText: String { node.isScalar ? String(decoding: bytes, as: UTF8.self) : "" }

  /// Whether this is this scalar, of whatever type.
  package func isScalar(_ text: String) -> Bool { node.isScalar && bytes.elementsEqual(text.utf8) }

  /// What is wrong with a key that no route has here.
  package var otherKey: FileMismatch { mismatch("a route has no \(quotedText) here") }

  /// What is wrong with a value that no route has here.
  package var otherValue: FileMismatch { mismatch("not what a route has here") }

  var quotedText: String {
    node.isScalar ? quoted(String(decoding: bytes, as: UTF8.self)) : "such key"
  }
}
