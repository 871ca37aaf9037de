import System

extension GoTemplate {
  /// Parses actions as Go's does (package `text/template/parse`), one after the other, with the blocks they are in on a stack.
  ///
  /// Traefik carries a template out with `false` for its data. Outside of any block every action is carried out, so that some are
  /// known to fail: a field of the data, a template that there is not, a constant that is given arguments, `fail`.
  struct Parser {
    struct Block {
      let keyword: String
      let line: Int
      /// How many variables there were before it.
      let variables: Int
      var hasElse = false
      /// Of a template of its own, what it interrupts.
      var outer: (variables: [Variable], rangeDepth: Int, definition: Definition)?
    }

    struct Variable {
      let name: String
      /// Assigned to, Go's parser takes it for one that there is; carried out, it is none.
      let isDeclared: Bool
    }

    struct Definition {
      let name: String
      var isEmpty = true
    }

    /// Those that are open.
    private(set) var blocks: [Block] = []
    private var variables = [Variable(name: "$", isDeclared: true)]
    /// Of ranges in one another, outside of their {{else}}.
    private var rangeDepth = 0
    /// What is being defined: the file itself has no name.
    private var definition = Definition(name: "")
    /// Whether each template that was defined is empty, by name.
    private var definitions: [String: Bool] = [:]
    /// Those that are carried out whatever comes.
    private var called: [String] = []
    /// Whether `$` is still the data.
    private var isRootData = true

    private static let constants: [Token.TokenKind] = [.bool, .dot, .null, .number, .character, .string, .rawString]

    // The action that is being looked at.
    private var tokens: [Token] = []
    private var index = 0
    private var depth = 0
    private var line = 0

    /// Of parentheses in one another; beyond it a template is not checked.
    private static let maximumDepth = 200

    /// Whether what is being looked at is carried out, whatever comes: not in a block, nor where it may be the part of `and` or `or`
    /// that is left out.
    private var isCarriedOut: Bool { blocks.isEmpty && !isOptional }
    private var isOptional = false

    mutating func addText(isBlank: Bool) {
      if !isBlank { definition.isEmpty = false }
    }

    mutating func add(_ tokens: [Token], at line: Int) throws(TemplateFault) {
      self.tokens = tokens
      self.line = line
      index = 0
      skipSpace()
      guard let first = peek(), first.kind == .keyword else {
        definition.isEmpty = false
        try parsePipeline("an action")
        return
      }
      index += 1
      if first.text != "define", first.text != "end", first.text != "else" { definition.isEmpty = false }
      switch first.text {
      case "if", "with", "range":
        let block = Block(keyword: first.text, line: line, variables: variables.count)
        try parsePipeline(first.text)
        blocks.append(block)
        if first.text == "range" { rangeDepth += 1 }
      case "define":
        guard blocks.isEmpty else { throw TemplateFault("{{define}} in a block") }
        let name = try parseName("define")
        try expectEnd("define")
        begin(Definition(name: name), "define")
      case "block":
        let name = try parseName("block")
        try parsePipeline("block")
        begin(Definition(name: name), "block")
      case "template":
        let name = try parseName("template")
        if isCarriedOut {
          guard !name.isEmpty else { throw TemplateFault("a template that is carried out in itself") }
          called.append(name)
        }
        skipSpace()
        if peek() != nil { try parsePipeline("template") }
      case "else": try addElse()
      case "end":
        try expectEnd("end")
        try end()
      default:
        try expectEnd(first.text)
        guard rangeDepth > 0 else { throw TemplateFault("{{\(first.text)}} outside of a range") }
      }
    }

    mutating func finish() throws(TemplateFault) {
      if let block = blocks.last { throw TemplateFault("{{\(block.keyword)}} has no {{end}}") }
      try define(definition)
      if let missing = called.first(where: { definitions[$0] == nil }) {
        throw TemplateFault("there is no template \(quoted(missing))")
      }
    }

    // MARK: Blocks

    private mutating func begin(_ new: Definition, _ keyword: String) {
      var block = Block(keyword: keyword, line: line, variables: 0)
      block.outer = (variables, rangeDepth, definition)
      blocks.append(block)
      variables = [Variable(name: "$", isDeclared: true)]
      rangeDepth = 0
      definition = new
    }

    private mutating func addElse() throws(TemplateFault) {
      guard let block = blocks.last, block.outer == nil else { throw TemplateFault("{{else}} belongs to nothing") }
      guard !block.hasElse else { throw TemplateFault("a second {{else}}") }
      skipSpace()
      if block.keyword != "range", let next = peek(), next.kind == .keyword, next.text == block.keyword {
        index += 1
        try parsePipeline("else \(next.text)")
        return
      }
      try expectEnd("else")
      if block.keyword == "range" { rangeDepth -= 1 }
      blocks[blocks.count - 1].hasElse = true
    }

    private mutating func end() throws(TemplateFault) {
      guard let block = blocks.popLast() else { throw TemplateFault("{{end}} belongs to nothing") }
      if let outer = block.outer {
        try define(definition)
        (variables, rangeDepth, definition) = outer
      } else {
        variables.removeLast(variables.count - block.variables)
        if block.keyword == "range", !block.hasElse { rangeDepth -= 1 }
      }
    }

    private mutating func define(_ definition: Definition) throws(TemplateFault) {
      if definitions[definition.name] == false, !definition.isEmpty {
        throw TemplateFault("two templates \(quoted(definition.name))")
      }
      definitions[definition.name] = definition.isEmpty && definitions[definition.name] != false
    }

    private mutating func parseName(_ keyword: String) throws(TemplateFault) -> String {
      skipSpace()
      guard let token = next(), let name = try Self.string(token) else {
        throw TemplateFault("{{\(keyword)}} without a name in quotes")
      }
      return name
    }

    private mutating func expectEnd(_ keyword: String) throws(TemplateFault) {
      skipSpace()
      guard peek() == nil else { throw TemplateFault("more than {{\(keyword)}} in an action") }
    }

    // MARK: Pipelines

    /// declarations? command ('|' command)*, up to the end of the action, or of a parenthesis.
    private mutating func parsePipeline(_ context: String, inParenthesis: Bool = false) throws(TemplateFault) {
      depth += 1
      defer { depth -= 1 }
      guard depth <= Self.maximumDepth else { throw TemplateFault(nil) }
      try parseDeclarations(context)
      var commands = 0
      while true {
        skipSpace()
        guard let token = peek() else {
          // The lexer saw to it that parentheses are closed.
          break
        }
        if token.kind == .rightParenthesis, inParenthesis {
          index += 1
          break
        }
        let first = try parseCommand()
        commands += 1
        if commands > 1, Self.constants.contains(first) {
          throw TemplateFault("a constant behind '|'")
        }
      }
      guard commands > 0 else {
        throw TemplateFault(context == "an action" ? "an action is empty" : "\(context) has no value")
      }
    }

    private mutating func parseDeclarations(_ context: String) throws(TemplateFault) {
      var declared = 0
      while true {
        skipSpace()
        let start = index
        guard let variable = next(), variable.kind == .variable else {
          index = start
          guard declared == 0 || peek() == nil || peek()?.kind == .rightParenthesis else {
            throw TemplateFault("a range declares variables only")
          }
          return
        }
        skipSpace()
        switch peek()?.kind {
        case .assign?, .declare?:
          let isDeclaration = peek()?.kind == .declare
          index += 1
          if !isDeclaration, isCarriedOut, !variables.contains(where: { $0.name == variable.text && $0.isDeclared }) {
            throw TemplateFault("no variable \(quoted(variable.text)) to assign to")
          }
          declare(variable.text, isDeclaration)
          return
        case .comma?:
          index += 1
          guard context == "range", declared == 0 else { throw TemplateFault("too many variables to declare") }
          declare(variable.text, true)
          declared += 1
        default:
          index = start
          return
        }
      }
    }

    private mutating func declare(_ name: String, _ isDeclaration: Bool) {
      variables.append(Variable(name: name, isDeclared: isDeclaration))
      if name == "$" { isRootData = false }
    }

    /// operand (space operand)*, with the '|' behind it. Returns the kind of the first operand, where it has no fields.
    private mutating func parseCommand() throws(TemplateFault) -> Token.TokenKind {
      var first: Token?
      var operands = 0
      let wasOptional = isOptional
      defer { isOptional = wasOptional }
      while true {
        skipSpace()
        let start = peek()
        if let first, first.kind == .identifier, first.text == "and" || first.text == "or" { isOptional = true }
        if try parseOperand() {
          operands += 1
          if operands == 1 { first = start }
          if operands == 2, isCarriedOut, let first, Self.constants.contains(first.kind) {
            throw TemplateFault("arguments of what is no function")
          }
        }
        guard let token = peek() else { break }
        if token.kind == .rightParenthesis { break }
        index += 1
        if token.kind == .pipe { break }
        guard token.kind == .space else { throw TemplateFault("\(quoted(token.text)) where an operand was expected") }
      }
      guard operands > 0, let first else { throw TemplateFault("a command is empty") }
      if isCarriedOut {
        if first.kind == .null { throw TemplateFault("nil is no command") }
        if first.kind == .identifier, first.text == "fail" { throw TemplateFault("it fails by {{fail}}") }
      }
      return first.kind
    }

    /// A term with fields of it. Returns false where there is none.
    private mutating func parseOperand() throws(TemplateFault) -> Bool {
      guard let token = peek() else { return false }
      switch token.kind {
      case .identifier:
        guard functions.contains(token.text) else {
          throw TemplateFault("Traefik knows no function \(quoted(token.text))")
        }
      case .variable:
        guard variables.contains(where: { $0.name == token.text }) else {
          throw TemplateFault("there is no variable \(quoted(token.text))")
        }
      case .number, .character:
        guard Self.isNumber(token) else { throw TemplateFault("\(quoted(token.text)) is no number") }
      case .string, .rawString: _ = try Self.string(token)
      case .leftParenthesis:
        index += 1
        try parsePipeline("a parenthesis", inParenthesis: true)
        skipFields()
        return true
      case .dot, .field, .bool, .null: break
      default: return false
      }
      index += 1
      let isData = token.kind == .variable && token.text == "$" && isRootData
      if isCarriedOut, token.kind == .field || isData && peek()?.kind == .field {
        throw TemplateFault("there is no data, of which \(quoted(token.text + (peek()?.text ?? ""))) could be a field")
      }
      if peek()?.kind == .field, Self.constants.contains(token.kind) {
        throw TemplateFault("a field of \(quoted(token.text))")
      }
      skipFields()
      return true
    }

    private mutating func skipFields() {
      while peek()?.kind == .field { index += 1 }
    }

    // MARK: Tokens

    private func peek() -> Token? { index < tokens.count ? tokens[index] : nil }

    private mutating func next() -> Token? {
      defer { index += 1 }
      return peek()
    }

    private mutating func skipSpace() {
      while peek()?.kind == .space { index += 1 }
    }
  }
}
