/// A part of a document that is said word for word: it is written and recognised by the same description.
package indirect enum YAMLTree {
  /// A mapping's key.
  package enum Key {
    /// One that Traefik knows, in any case.
    case field(StaticString)
    /// A name, which is as it is.
    case name(String)
  }

  case text(String)
  /// A number or a truth value.
  case plain(String)
  case mapping([(key: Key, value: YAMLTree)])
  case sequence([YAMLTree])

  package static func strings(_ texts: String...) -> YAMLTree { .sequence(texts.map(YAMLTree.text)) }
}

extension YAMLWriter {
  package func field(_ key: String, _ value: YAMLTree) {
    text(key)
    tree(value)
  }

  private func tree(_ tree: YAMLTree) {
    switch tree {
    case .text(let text): self.text(text)
    case .plain(let text): plain(text)
    case .sequence(let elements): sequence { for element in elements { self.tree(element) } }
    case .mapping(let fields):
      mapping {
        for field in fields {
          switch field.key {
          case .field(let name): text("\(name)")
          case .name(let name): text(name)
          }
          self.tree(field.value)
        }
      }
    }
  }
}

extension YAMLNode {
  /// Throws where this node says anything but `tree`, in whatever form and order.
  package func check(_ tree: YAMLTree) throws(FileMismatch) {
    switch tree {
    case .text(let text):
      guard try isString(text) else { throw otherValue }
    case .plain(let text):
      guard text == "true" ? isTrue : isScalar(text) else { throw otherValue }
    case .mapping(let fields):
      var seen: Set<Int> = []
      try forEachField { (key, value) throws(FileMismatch) in
        var place: Int?
        for (index, field) in fields.enumerated() where place == nil {
          if try key.isKey(field.key) { place = index }
        }
        guard let place, seen.insert(place).inserted else { throw key.otherKey }
        try value.check(fields[place].value)
      }
      guard seen.count == fields.count else { throw mismatch("not all that a route has here") }
    case .sequence(let elements):
      let nodes = try self.elements
      guard nodes.count == elements.count else {
        throw mismatch("a route has \(elements.count) elements here, not \(nodes.count)")
      }
      for (node, element) in zip(nodes, elements) { try node.check(element) }
    }
  }

  private func isKey(_ key: YAMLTree.Key) throws(FileMismatch) -> Bool {
    switch key {
    case .field(let name): isKey(name)
    case .name(let name): try isString(name)
    }
  }
}
