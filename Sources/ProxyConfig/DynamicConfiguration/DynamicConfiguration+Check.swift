import Records
import System

extension DynamicConfiguration {
  /// Throws where Traefik fails to make a configuration of a document.
  ///
  /// Follows Traefik's own reading (github.com/traefik/paerser), which knows a value, a list and names with values, and takes
  /// each for the others in places: a map may be a list of mappings, a list of structures a map of them.
  static func check(_ document: YAMLDocument) throws(UnreadableFile) {
    let check = Checker(document: document)
    for field in try check.fields(of: 0) {
      guard case .name(let name) = field.key, let kind = root.fields[name.lowercased()] else { continue }
      try check.checkElements(field.value)
      try check.check(field.value, kind, name, line: field.line)
    }
  }

  private struct Checker {
    typealias Node = YAMLDocument.Node

    enum MappingKey: Equatable {
      case name(String)
      /// A number, say, by which Traefik finds no field.
      case other(String)
    }

    struct KnownField {
      let key: MappingKey
      /// An index, of no alias.
      let value: Int
      /// The key's.
      let line: Int
    }

    let document: YAMLDocument

    /// The fields of a mapping, with those that are merged into it and without those that are null, which to Traefik are not
    /// there.
    func fields(of mapping: Int) throws(UnreadableFile) -> [KnownField] {
      var fields: [KnownField] = []
      var names: Set<String> = []
      var sources = [mapping]
      while let source = sources.popLast() {
        var merged: [Int] = []
        var key = source + 1
        while key < document.nodes[source].end {
          let value = document.nodes[key].end
          defer { key = document.nodes[value].end }
          if document.isMerge(key) {
            merged = document.mergeSources(value)
            continue
          }
          let scalar = document.nodes[document.resolved(key)]
          guard let fieldKey = try self.key(scalar), names.insert(document.text(scalar)).inserted else { continue }
          let target = document.resolved(value)
          if try isNull(target) { continue }
          fields.append(KnownField(key: fieldKey, value: target, line: document.nodes[key].line))
        }
        sources += merged.reversed()
      }
      return fields
    }

    private func key(_ node: Node) throws(UnreadableFile) -> MappingKey? {
      switch try document.value(node) {
      case .null: nil
      case .text(let name): .name(name)
      case .other(let text): .other(text)
      case .timestamp: .other(document.text(node))
      }
    }

    private func isNull(_ index: Int) throws(UnreadableFile) -> Bool {
      guard document.nodes[index].isScalar else { return false }
      return try document.value(document.nodes[index]) == .null
    }

    /// What Traefik takes nowhere: a date, and in a list, a null and a list.
    func checkElements(_ index: Int) throws(UnreadableFile) {
      var seen: Set<Int> = []
      var pending = [index]
      while let index = pending.popLast() {
        guard seen.insert(index).inserted else { continue }
        let node = document.nodes[index]
        switch node.kind {
        case .plain, .string:
          if try document.value(node) == .timestamp {
            throw UnreadableFile(line: node.line, problem: "\(quoted(document.text(node))) is a date: quote it")
          }
        case .sequence:
          for element in document.elements(of: index) {
            let target = document.resolved(element)
            let line = document.nodes[element].line
            guard document.nodes[target].kind != .sequence else {
              throw UnreadableFile(line: line, problem: "a list in a list")
            }
            guard try !isNull(target) else { throw UnreadableFile(line: line, problem: "a null in a list") }
            pending.append(target)
          }
        case .mapping: pending += try fields(of: index).map(\.value)
        case .alias: break
        }
      }
    }

    /// - Parameter isRead: whether Traefik looks at the values, and not at the names alone.
    func check(
      _ index: Int, _ kind: ValueKind, _ name: String, line: Int, isRead: Bool = true
    ) throws(UnreadableFile) {
      func fault(_ problem: String) -> UnreadableFile {
        UnreadableFile(line: line, problem: "\(quoted(name)) \(problem)")
      }
      switch kind {
      case .unread(let kind):
        if try !children(of: index).isEmpty { try check(index, kind, name, line: line, isRead: false) }
      case .string:
        guard try children(of: index).isEmpty else { throw fault("must be \(kind)") }
      case .bool, .int, .duration:
        let isTaken = isRead ? try isValue(index, of: kind) : try children(of: index).isEmpty
        guard isTaken else { throw fault("must be \(kind)") }
      case .list:
        for child in try children(of: index) {
          guard try children(of: child.value).isEmpty else { throw fault("must be \(kind)") }
        }
      case .structure(let structure, let mayBeEmpty):
        let children = try children(of: index)
        guard mayBeEmpty || !children.isEmpty else { throw fault("must not be empty") }
        try check(children, structure, in: name, isRead: isRead)
      case .structures(let structure):
        for child in try children(of: index) {
          try check(self.children(of: child.value), structure, in: name, isRead: isRead)
        }
      case .map(let kind):
        let children = try children(of: index)
        guard !children.isEmpty else { throw fault("must not be empty") }
        for child in children { try checkEntry(child, kind, in: name, isRead: isRead) }
      case .any:
        break
      }
    }

    /// An entry of a map, which may be empty, whatever it is.
    private func checkEntry(
      _ entry: KnownField, _ kind: ValueKind, in name: String, isRead: Bool
    ) throws(UnreadableFile) {
      switch kind {
      case .string: break
      case .any: for field in try children(of: entry.value) { try refuseEmptyNames(in: field.value) }
      case .structure(let structure, _): try check(children(of: entry.value), structure, in: name, isRead: isRead)
      default: try check(entry.value, kind, name, line: entry.line, isRead: isRead)
      }
    }

    private func check(
      _ fields: [KnownField], _ structure: Structure, in name: String, isRead: Bool
    ) throws(UnreadableFile) {
      for field in fields {
        guard case .name(let key) = field.key, let kind = structure.fields[key.lowercased()] else {
          let key =
            switch field.key {
            case .name(let key), .other(let key): key
            }
          throw UnreadableFile(line: field.line, problem: "Traefik knows no \(quoted(key)) in \(quoted(name))")
        }
        try check(field.value, kind, key, line: field.line, isRead: isRead)
      }
    }

    /// An empty name in a plugin's configuration makes Traefik panic, and never look at a file again until it is restarted.
    private func refuseEmptyNames(in index: Int) throws(UnreadableFile) {
      var seen: Set<Int> = []
      var pending = [index]
      while let index = pending.popLast() {
        guard seen.insert(index).inserted else { continue }
        for child in try children(of: index) {
          guard child.key != .name("") else {
            throw UnreadableFile(line: child.line, problem: "an empty name in a plugin's configuration")
          }
          pending.append(child.value)
        }
      }
    }

    /// What Traefik sees inside a node: the fields of a mapping, or the mappings in a list, under names that are no field's.
    private func children(of index: Int) throws(UnreadableFile) -> [KnownField] {
      let node = document.nodes[index]
      switch node.kind {
      case .mapping: return try fields(of: index)
      case .sequence:
        return document.elements(of: index).enumerated().compactMap { position, element in
          let target = document.resolved(element)
          guard document.nodes[target].kind == .mapping else { return nil }
          return KnownField(key: .name("[\(position)]"), value: target, line: document.nodes[element].line)
        }
      case .plain, .string, .alias: return []
      }
    }

    private func scalar(_ index: Int) throws(UnreadableFile) -> String? {
      guard document.nodes[index].isScalar else { return nil }
      return switch try document.value(document.nodes[index]) {
      case .text(let text), .other(let text): text
      case .null, .timestamp: nil
      }
    }

    private func isValue(_ index: Int, of kind: ValueKind) throws(UnreadableFile) -> Bool {
      guard let text = try scalar(index) else { return false }
      return switch kind {
      case .bool: Self.isBool(text)
      case .int: Int64(text) != nil
      default: Int64(text) != nil || GoDuration.isValid(text)
      }
    }

    /// What Go's `strconv.ParseBool` takes.
    private static func isBool(_ text: String) -> Bool {
      ["1", "t", "T", "true", "True", "TRUE", "0", "f", "F", "false", "False", "FALSE"].contains(text)
    }
  }
}

/// What Go's `time.ParseDuration` reads: `1h30m`, `-1.5s`, `0`.
enum GoDuration {
  private static let nanoseconds: [(unit: String, count: Double)] = [
    ("ns", 1), ("us", 1e3), ("µs", 1e3), ("μs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 6e10), ("h", 3.6e12),
  ]

  static func isValid(_ text: String) -> Bool {
    var rest = text[...]
    if let sign = rest.first, sign == "-" || sign == "+" { rest = rest.dropFirst() }
    if rest == "0" { return true }
    guard !rest.isEmpty else { return false }
    var total = 0.0
    while !rest.isEmpty {
      let number = rest.prefix { $0 == "." || $0.isASCII && $0.isNumber }
      let unit = rest[number.endIndex...].prefix { $0 != "." && !($0.isASCII && $0.isNumber) }
      guard number.contains(where: { $0 != "." }), number.count(where: { $0 == "." }) <= 1,
        let scale = nanoseconds.first(where: { $0.unit == unit })?.count,
        let value = Double("0" + number + "0")
      else { return false }
      // A zero after a number without a point would be one more digit.
      total += (number.contains(".") ? value : value / 10) * scale
      rest = rest[unit.endIndex...]
    }
    return total < 9.223372036854775e18
  }
}
