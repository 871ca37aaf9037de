import System

extension GoTemplate {
  /// Takes an action apart as Go's does (package `text/template/parse`).
  struct Lexer {
    /// Of the action's first brace, and then of what is behind it.
    private(set) var position: Int
    /// There.
    private(set) var line: Int

    private static let keywords: Set<String> = [
      "block", "break", "continue", "define", "else", "end", "if", "range", "template", "with",
    ]

    /// Returns nil for a comment.
    mutating func action(_ bytes: Span<UInt8>) throws(TemplateFault) -> [Token]? {
      position += 2
      // {{- cuts off the space before it.
      if byte(bytes) == ASCII.hyphen, isSpace(byte(bytes, 1)) { advance(bytes, 2) }
      if byte(bytes) == UInt8(ascii: "/"), byte(bytes, 1) == UInt8(ascii: "*") {
        try skipComment(bytes)
        return nil
      }
      var tokens: [Token] = []
      var parentheses = 0
      while true {
        if isAtEnd(bytes) {
          guard parentheses == 0 else { throw TemplateFault("a parenthesis has no end") }
          if isSpace(byte(bytes)) { advance(bytes, 2) }
          advance(bytes, 2)
          return tokens
        }
        guard position < bytes.count else { throw TemplateFault("an action has no end") }
        let start = position
        let kind = try token(bytes)
        if kind == .leftParenthesis { parentheses += 1 }
        if kind == .rightParenthesis { parentheses -= 1 }
        guard parentheses >= 0 else { throw TemplateFault("a parenthesis has no beginning") }
        let text = String(decoding: (start..<position).map { bytes[$0] }, as: UTF8.self)
        guard kind == .identifier else {
          tokens.append(Token(kind: kind, text: text))
          continue
        }
        switch text {
        case "true", "false": tokens.append(Token(kind: .bool, text: text))
        case "nil": tokens.append(Token(kind: .null, text: text))
        case _ where Self.keywords.contains(text): tokens.append(Token(kind: .keyword, text: text))
        default: tokens.append(Token(kind: .identifier, text: text))
        }
      }
    }

    private mutating func skipComment(_ bytes: Span<UInt8>) throws(TemplateFault) {
      advance(bytes, 2)
      while !(byte(bytes) == UInt8(ascii: "*") && byte(bytes, 1) == UInt8(ascii: "/")) {
        guard position < bytes.count else { throw TemplateFault("a comment has no end") }
        advance(bytes, 1)
      }
      advance(bytes, 2)
      guard isAtEnd(bytes) else { throw TemplateFault("a comment does not fill its action") }
      if isSpace(byte(bytes)) { advance(bytes, 2) }
      advance(bytes, 2)
    }

    /// Reads one; which of the words an identifier is is not told.
    private mutating func token(_ bytes: Span<UInt8>) throws(TemplateFault) -> Token.TokenKind {
      let first = byte(bytes)
      switch first {
      case _ where isSpace(first):
        // The last one before -}} belongs to that.
        repeat { advance(bytes, 1) } while isSpace(byte(bytes)) && !isAtEnd(bytes)
        return .space
      case UInt8(ascii: "="):
        position += 1
        return .assign
      case UInt8(ascii: ":"):
        guard byte(bytes, 1) == UInt8(ascii: "=") else { throw TemplateFault("a ':' without '='") }
        position += 2
        return .declare
      case UInt8(ascii: "|"):
        position += 1
        return .pipe
      case UInt8(ascii: ","):
        position += 1
        return .comma
      case UInt8(ascii: "("):
        position += 1
        return .leftParenthesis
      case UInt8(ascii: ")"):
        position += 1
        return .rightParenthesis
      case UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: "`"):
        try skipQuoted(bytes, by: first)
        return first == UInt8(ascii: "\"") ? .string : first == UInt8(ascii: "'") ? .character : .rawString
      case UInt8(ascii: "$"):
        position += 1
        try skipName(bytes)
        return .variable
      case ASCII.dot where !ASCII.isDigit(byte(bytes, 1)):
        position += 1
        return try skipName(bytes) ? .field : .dot
      case _ where ASCII.isDigit(first) || [ASCII.dot, ASCII.hyphen, UInt8(ascii: "+")].contains(first):
        try skipNumber(bytes)
        return .number
      case _ where alphanumeric(bytes) > 0:
        try skipName(bytes)
        return .identifier
      case 0x21..<0x7f:
        position += 1
        return .other
      default:
        throw TemplateFault("a character that no action has")
      }
    }

    private mutating func skipQuoted(_ bytes: Span<UInt8>, by quote: UInt8) throws(TemplateFault) {
      let isRaw = quote == UInt8(ascii: "`")
      advance(bytes, 1)
      while byte(bytes) != quote || position >= bytes.count {
        if !isRaw, byte(bytes) == UInt8(ascii: "\\") { position += 1 }
        guard position < bytes.count, isRaw || byte(bytes) != UInt8(ascii: "\n") else {
          throw TemplateFault("a string has no end")
        }
        advance(bytes, 1)
      }
      position += 1
    }

    /// Returns whether there is one.
    @discardableResult
    private mutating func skipName(_ bytes: Span<UInt8>) throws(TemplateFault) -> Bool {
      let start = position
      while case let length = alphanumeric(bytes), length > 0 { position += length }
      let end = byte(bytes)
      let isEnd =
        position >= bytes.count || isSpace(end) || ".,|:()".utf8.contains(end)
        || end == UInt8(ascii: "}") && byte(bytes, 1) == UInt8(ascii: "}")
      guard isEnd else { throw TemplateFault("a character that no name has") }
      return position > start
    }

    private mutating func skipNumber(_ bytes: Span<UInt8>) throws(TemplateFault) {
      try skipRealNumber(bytes)
      // 1+2i
      guard isSign(bytes) else { return }
      try skipRealNumber(bytes)
      guard bytes[position - 1] == UInt8(ascii: "i") else { throw TemplateFault("a number that is none") }
    }

    private mutating func skipRealNumber(_ bytes: Span<UInt8>) throws(TemplateFault) {
      var radix = 10
      if isSign(bytes) { position += 1 }
      if byte(bytes) == UInt8(ascii: "0") {
        position += 1
        radix = ["x": 16, "o": 8, "b": 2][String(UnicodeScalar(ASCII.lowercased(byte(bytes))))] ?? 10
        if radix != 10 { position += 1 }
      }
      skipDigits(bytes, radix)
      if byte(bytes) == ASCII.dot {
        position += 1
        skipDigits(bytes, radix)
      }
      let exponent = ASCII.lowercased(byte(bytes))
      if radix == 10 && exponent == UInt8(ascii: "e") || radix == 16 && exponent == UInt8(ascii: "p") {
        position += 1
        if isSign(bytes) { position += 1 }
        skipDigits(bytes, 10)
      }
      if byte(bytes) == UInt8(ascii: "i") { position += 1 }
      guard alphanumeric(bytes) == 0 else { throw TemplateFault("a number that is none") }
    }

    private mutating func skipDigits(_ bytes: Span<UInt8>, _ radix: Int) {
      while byte(bytes) == ASCII.underscore || Self.digit(byte(bytes)) < radix { position += 1 }
    }

    private static func digit(_ byte: UInt8) -> Int {
      ASCII.isHexDigit(byte) ? Int(String(UnicodeScalar(byte)), radix: 16)! : .max
    }

    // MARK: Bytes

    /// 0 behind the last one.
    private func byte(_ bytes: Span<UInt8>, _ offset: Int = 0) -> UInt8 {
      position + offset < bytes.count ? bytes[position + offset] : 0
    }

    private mutating func advance(_ bytes: Span<UInt8>, _ count: Int) {
      for _ in 0..<count {
        if byte(bytes) == UInt8(ascii: "\n") { line += 1 }
        position += 1
      }
    }

    private func isSign(_ bytes: Span<UInt8>) -> Bool {
      byte(bytes) == ASCII.hyphen || byte(bytes) == UInt8(ascii: "+")
    }

    private func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 9 || byte == 10 || byte == 13 }

    /// Whether the action ends here, with `}}` or with ` -}}`, which cuts off the space behind it.
    private func isAtEnd(_ bytes: Span<UInt8>) -> Bool {
      let brace = UInt8(ascii: "}")
      if byte(bytes) == brace, byte(bytes, 1) == brace { return true }
      return isSpace(byte(bytes)) && byte(bytes, 1) == ASCII.hyphen && byte(bytes, 2) == brace
        && byte(bytes, 3) == brace
    }

    /// How many bytes the letter, digit or underscore here has; 0 when it is none.
    private func alphanumeric(_ bytes: Span<UInt8>) -> Int {
      let first = byte(bytes)
      if first < 0x80 { return ASCII.isLetterOrDigit(first) || first == ASCII.underscore ? 1 : 0 }
      let length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2
      guard position + length <= bytes.count,
        let scalar = String(validating: (0..<length).map { bytes[position + $0] }, as: UTF8.self)?.unicodeScalars.first
      else { return 0 }
      switch scalar.properties.generalCategory {
      case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber:
        return length
      default: return 0
      }
    }
  }
}
