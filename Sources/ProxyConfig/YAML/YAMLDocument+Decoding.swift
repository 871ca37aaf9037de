import Records
import System

/// What Traefik's YAML library (gopkg.in/yaml.v3) fails on after it has parsed a document.
extension YAMLDocument {
  /// Throws for a key that is there twice or is no scalar, a value that contradicts its tag, a merge (`<<`) of what is no
  /// mapping, and for aliases that would multiply the document.
  func checkDecoding() throws(UnreadableFile) {
    var hasAlias = false
    for (index, node) in nodes.enumerated() {
      switch node.kind {
      case .mapping: try checkFields(of: index)
      case .string: if node.tag != nil { _ = try value(node) }
      case .alias: hasAlias = true
      case .plain, .sequence: break
      }
    }
    if hasAlias { try checkExpansion() }
  }

  /// Whether a key merges another mapping into its own.
  func isMerge(_ key: Int) -> Bool {
    nodes[key].kind == .plain && text[nodes[key].text].elementsEqual("<<".utf8)
  }

  private func checkFields(of mapping: Int) throws(UnreadableFile) {
    var seen: Set<ArraySlice<UInt8>> = []
    var key = mapping + 1
    while key < nodes[mapping].end {
      let value = nodes[key].end
      let scalar = nodes[resolved(key)]
      guard scalar.isScalar else {
        throw UnreadableFile(line: nodes[key].line, problem: "a key that is a list or a mapping")
      }
      // An alias is another key than what it stands for, and the same as itself.
      let name = nodes[key].kind == .alias ? [UInt8(ascii: "*")] + text[scalar.text] : text[scalar.text]
      guard seen.insert(name).inserted else {
        throw UnreadableFile(line: nodes[key].line, problem: "the key \(quoted(text(scalar))) is there twice")
      }
      if isMerge(key) {
        let isMergeable = mergeSources(value).allSatisfy { nodes[$0].kind == .mapping }
        guard isMergeable else { throw UnreadableFile(line: nodes[key].line, problem: "'<<' of what is no mapping") }
      }
      key = nodes[value].end
    }
  }

  /// What a merge key's value names: one node, or those of a list.
  func mergeSources(_ value: Int) -> [Int] {
    // A list is one only where it stands, not by another name.
    guard nodes[value].kind == .sequence else { return [resolved(value)] }
    return elements(of: value).map(resolved)
  }

  /// The indices of the elements of a sequence.
  func elements(of sequence: Int) -> [Int] {
    var elements: [Int] = []
    var element = sequence + 1
    while element < nodes[sequence].end {
      elements.append(element)
      element = nodes[element].end
    }
    return elements
  }

  /// Follows every alias, counting as Traefik's library does, which gives up where nearly all of a large document comes from
  /// aliases. That also bounds this, to a few million steps.
  private func checkExpansion() throws(UnreadableFile) {
    /// Nodes that are still to be read, and whether they were reached through an alias.
    var stack = [(next: 0, end: nodes.count, aliases: 0)]
    // One for the document.
    var read = 1
    var readThroughAliases = 0
    while let top = stack.last {
      guard top.next < top.end else {
        stack.removeLast()
        continue
      }
      stack[stack.count - 1].next += 1
      if isMerge(top.next) { continue }
      read += 1
      if top.aliases > 0 { readThroughAliases += 1 }
      if readThroughAliases > 100, read > 1000,
        Double(readThroughAliases) > Double(read) * Self.maximumShareOfAliases(read)
      {
        throw UnreadableFile(line: nodes[top.next].line, problem: "aliases of aliases: there is too much of them")
      }
      let node = nodes[top.next]
      if node.kind == .alias {
        stack.append((node.target, nodes[node.target].end, top.aliases + 1))
      }
    }
  }

  /// 0.99 up to 400,000 nodes, 0.1 from 4,000,000 on, and in a straight line between.
  private static func maximumShareOfAliases(_ count: Int) -> Double {
    let progress = (Double(count) - 400_000) / 3_600_000
    return 0.99 - 0.89 * min(max(progress, 0), 1)
  }
}
