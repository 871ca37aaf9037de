/// Traefik runs every file through Go's `text/template` before it reads it: what stands between `{{` and `}}` is an action.
///
/// All that its parser refuses is found (Go 1.26, as Traefik 3.7 is built with): syntax, blocks, numbers and strings, functions and
/// variables that there are not. Of what fails only when a template is carried out, that is found which fails whatever comes: see
/// `Parser`. What an action turns into is not looked at.
struct GoTemplate {
  /// Where the first action stands.
  let line: Int

  /// Returns nil for a file without actions, which Traefik reads as it is.
  static func check(_ bytes: Span<UInt8>) throws(UnreadableFile) -> GoTemplate? {
    // Most files have none, and are scanned in one pass.
    guard let start = firstBrace(bytes, from: 0) else { return nil }
    var line = 1 + newlines(bytes, 0..<start)
    var parser = Parser()
    parser.addText(isBlank: isBlank(bytes, 0..<start))
    let first = line
    var position = start
    while position < bytes.count {
      var lexer = Lexer(position: position, line: line)
      let tokens: [Token]?
      do throws(TemplateFault) {
        tokens = try lexer.action(bytes)
        if let tokens { try parser.add(tokens, at: line) }
      } catch {
        guard let problem = error.problem else { return GoTemplate(line: first) }
        throw UnreadableFile(line: line, problem: "a Go template: \(problem)")
      }
      position = lexer.position
      line = lexer.line
      let next = firstBrace(bytes, from: position) ?? bytes.count
      parser.addText(isBlank: isBlank(bytes, position..<next))
      line += newlines(bytes, position..<next)
      position = next
    }
    do throws(TemplateFault) {
      try parser.finish()
    } catch {
      throw UnreadableFile(line: parser.blocks.last?.line ?? first, problem: "a Go template: \(error.problem ?? "")")
    }
    return GoTemplate(line: first)
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

  private static func isBlank(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
    range.allSatisfy { bytes[$0] <= 0x20 }
  }

  /// Why Go's parser ends.
  struct TemplateFault: Error {
    /// nil where it is nested so deeply that this one does not go on.
    let problem: String?

    init(_ problem: String?) { self.problem = problem }
  }

  /// The parts of an action.
  struct Token {
    enum TokenKind: Equatable {
      case space, pipe, assign, declare, comma, leftParenthesis, rightParenthesis
      case dot, field, variable, identifier, keyword, bool, null, number, character, string, rawString
      /// Any other character, which Go's parser takes nowhere.
      case other
    }

    let kind: TokenKind
    let text: String
  }
}
