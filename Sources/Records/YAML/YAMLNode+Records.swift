package import System

// How files of records are read that no other program reads.
extension YAMLNode {
  /// The root of a file.
  package init(document bytes: Span<UInt8>) throws(FileMismatch) {
    var reader = YAMLDocumentReader()
    do throws(UnreadableFile) {
      try reader.read(bytes)
    } catch {
      throw FileMismatch(line: error.line, reason: error.problem)
    }
    if let reason = reader.reasonToGiveUp { throw FileMismatch(line: nil, reason: reason) }
    guard !reader.nodes.isEmpty else { throw FileMismatch(line: nil, reason: "it is empty") }
    self = YAMLDocument(nodes: reader.nodes, text: reader.text).root
  }

  /// The values of a mapping that has no other keys than `names`, in any case.
  package func members<let count: Int>(
    _ names: InlineArray<count, StaticString>
  ) throws(FileMismatch) -> InlineArray<count, YAMLNode?> {
    try forEachField { (key, _) throws(FileMismatch) in
      guard names.indices.contains(where: { key.isKey(names[$0]) }) else {
        throw key.mismatch("\(key.quotedText) is not known here")
      }
    }
    return try fields(names)
  }

  /// A whole number from 0 on.
  package var wholeNumber: Int {
    get throws(FileMismatch) {
      guard let number = Int(scalarText), number >= 0 else { throw mismatch("a whole number is needed") }
      return number
    }
  }

  /// A value that breaks a rule is this node's fault.
  package func checked<Value>(_ value: Result<Value, InvalidValue>) throws(FileMismatch) -> Value {
    switch value {
    case .success(let value): return value
    case .failure(let error): throw mismatch("\(error)")
    }
  }
}

extension YAMLNode? {
  /// The value of a field that has to be there.
  package func required(_ name: String, in mapping: YAMLNode) throws(FileMismatch) -> YAMLNode {
    guard let self else { throw mapping.mismatch("\(quoted(name)) is missing") }
    return self
  }
}
