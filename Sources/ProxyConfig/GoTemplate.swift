/// Traefik runs every file through Go's `text/template` before it reads it: what stands between `{{` and `}}` is an action.
///
/// What an action turns into cannot be told here. What can is that a template is cut off: that an action, a comment, a string, a
/// parenthesis or a block has no end. Functions, variables and the values they are used on are not looked at.
struct GoTemplate {
  /// Where the first action stands.
  let line: Int

  /// Returns nil for a file without actions, which Traefik reads as it is.
  static func check(_ bytes: Span<UInt8>) throws(UnreadableFile) -> GoTemplate? {
    // Most files have none, and are scanned in one pass.
    guard let start = firstBrace(bytes, from: 0) else { return nil }
    var scanner = Scanner(position: start, line: 1 + newlines(bytes, 0..<start))
    let template = GoTemplate(line: scanner.line)
    while scanner.position < bytes.count {
      try scanner.readAction(bytes)
      guard let next = firstBrace(bytes, from: scanner.position) else { break }
      scanner.line += newlines(bytes, scanner.position..<next)
      scanner.position = next
    }
    if let block = scanner.blocks.last {
      throw UnreadableFile(line: block.line, problem: "a Go template: {{\(block.keyword)}} has no {{end}}")
    }
    return template
  }

  private static func firstBrace(_ bytes: Span<UInt8>, from start: Int) -> Int? {
    let brace = UInt8(ascii: "{")
    var index = start + 1
    while index < bytes.count {
      if bytes[index] != brace {
        index += 2
      } else if bytes[index - 1] == brace {
        return index - 1
      } else if index + 1 < bytes.count, bytes[index + 1] == brace {
        return index
      } else {
        index += 2
      }
    }
    return nil
  }

  private static func newlines(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Int {
    range.count { bytes[$0] == UInt8(ascii: "\n") }
  }

  private struct Scanner {
    /// Of the next action's first brace.
    var position: Int
    var line: Int
    /// The blocks that are open.
    var blocks: [(keyword: String, line: Int)] = []

    mutating func readAction(_ bytes: Span<UInt8>) throws(UnreadableFile) {
      let start = line
      func fault(_ problem: String) -> UnreadableFile {
        UnreadableFile(line: start, problem: "a Go template: \(problem)")
      }
      func byte(_ offset: Int = 0) -> UInt8 { position + offset < bytes.count ? bytes[position + offset] : 0 }
      func isSpace(_ byte: UInt8) -> Bool { [UInt8(ascii: " "), 9, 10, 13].contains(byte) }

      position += 2
      // {{- cuts off the space before it.
      if byte() == ASCII.hyphen, isSpace(byte(1)) { position += 2 }
      if byte() == UInt8(ascii: "/"), byte(1) == UInt8(ascii: "*") {
        while !(byte() == UInt8(ascii: "*") && byte(1) == UInt8(ascii: "/")) {
          guard position < bytes.count else { throw fault("a comment has no end") }
          if byte() == UInt8(ascii: "\n") { line += 1 }
          position += 1
        }
        position += 2
        if isSpace(byte()), byte(1) == ASCII.hyphen { position += 2 }
        guard byte() == UInt8(ascii: "}"), byte(1) == UInt8(ascii: "}") else {
          throw fault("a comment does not fill its action")
        }
        position += 2
        return
      }

      var words: [String] = []
      var isEmpty = true
      var parentheses = 0
      while true {
        guard position < bytes.count else { throw fault("an action has no end") }
        let character = byte()
        if character == UInt8(ascii: "}"), byte(1) == UInt8(ascii: "}") {
          position += 2
          break
        }
        switch character {
        case UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: "`"):
          position += 1
          while byte() != character {
            let isCut = position >= bytes.count || byte() == UInt8(ascii: "\n") && character != UInt8(ascii: "`")
            guard !isCut else { throw fault("a string has no end") }
            if byte() == UInt8(ascii: "\n") { line += 1 }
            position += byte() == UInt8(ascii: "\\") && character != UInt8(ascii: "`") ? 2 : 1
          }
          position += 1
          isEmpty = false
        case UInt8(ascii: "("):
          parentheses += 1
          position += 1
        case UInt8(ascii: ")"):
          parentheses -= 1
          guard parentheses >= 0 else { throw fault("a parenthesis has no beginning") }
          position += 1
        case UInt8(ascii: "{"), UInt8(ascii: "}"):
          throw fault("a brace in an action")
        case _ where ASCII.isLetterOrDigit(character) || character == ASCII.underscore:
          let wordStart = position
          while ASCII.isLetterOrDigit(byte()) || byte() == ASCII.underscore { position += 1 }
          // What follows a dot or a dollar is no keyword.
          let before = bytes[wordStart - 1]
          if before != ASCII.dot, before != UInt8(ascii: "$"), isEmpty || !words.isEmpty, words.count < 2 {
            words.append(String(decoding: (wordStart..<position).map { bytes[$0] }, as: UTF8.self))
          }
          isEmpty = false
        default:
          if character == UInt8(ascii: "\n") { line += 1 }
          // -}} cuts off the space behind it.
          let isTrim = character == ASCII.hyphen && byte(1) == UInt8(ascii: "}") && byte(2) == UInt8(ascii: "}")
          if !isSpace(character), !isTrim { isEmpty = false }
          position += 1
        }
      }
      guard parentheses == 0 else { throw fault("a parenthesis has no end") }
      guard !isEmpty else { throw fault("an action is empty") }
      switch words.first {
      case "if", "with", "range", "block", "define":
        blocks.append((words[0], start))
      case "else":
        guard let block = blocks.last, ["if", "with", "range"].contains(block.keyword) else {
          throw fault("{{else}} belongs to nothing")
        }
      case "end":
        guard blocks.popLast() != nil else { throw fault("{{end}} belongs to nothing") }
      default:
        break
      }
    }
  }
}
