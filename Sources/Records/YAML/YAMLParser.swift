import CLibYAML

/// libyaml's parser over bytes that outlive it, one event at a time.
///
/// The encoding is left to libyaml, which takes UTF-8 unless a byte order mark says UTF-16, as Traefik's reader does.
struct YAMLParser: ~Copyable {
  private let parser: UnsafeMutablePointer<yaml_parser_t>
  private let bytes: UnsafeBufferPointer<UInt8>

  init(_ bytes: UnsafeBufferPointer<UInt8>) {
    self.bytes = bytes
    parser = .allocate(capacity: 1)
    precondition(yaml_parser_initialize(parser) == 1, "out of memory")
    // libyaml takes no null pointer, not even for no bytes.
    let start = bytes.baseAddress ?? UnsafePointer(bitPattern: 1)!
    yaml_parser_set_input_string(parser, start, bytes.count)
  }

  deinit {
    yaml_parser_delete(parser)
    parser.deallocate()
  }

  /// Hands the next event to `body`; it lives only as long as that runs. Returns nil where libyaml fails and Traefik's parser
  /// does not: what follows cannot be read here.
  mutating func next<Result>(
    _ body: (borrowing yaml_event_t) throws(UnreadableFile) -> Result
  ) throws(UnreadableFile) -> Result? {
    var event = yaml_event_t()
    guard yaml_parser_parse(parser, &event) == 1 else {
      if isStricterThanTraefik { return nil }
      throw fault()
    }
    defer { yaml_event_delete(&event) }
    return try body(event)
  }

  /// In flow style libyaml refuses a plain `a:` that ends there, as in `{a:}` and `[a:, b]`.
  private var isStricterThanTraefik: Bool {
    guard parser.pointee.error == YAML_SCANNER_ERROR, parser.pointee.encoding == YAML_UTF8_ENCODING,
      String(cString: parser.pointee.problem) == "found unexpected ':'"
    else { return false }
    // The mark counts characters, of which the byte order mark is none.
    var characters = parser.pointee.problem_mark.index
    let text = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? bytes.dropFirst(3) : bytes[...]
    let colon = text.firstIndex { byte in
      if byte & 0xc0 == 0x80 { return false }
      defer { characters &-= 1 }
      return characters == 0
    }
    guard let colon, colon + 1 < bytes.endIndex else { return false }
    return [UInt8(ascii: ","), UInt8(ascii: "]"), UInt8(ascii: "}")].contains(bytes[colon + 1])
  }

  private func fault() -> UnreadableFile {
    let error = parser.pointee.error
    precondition(error != YAML_MEMORY_ERROR, "out of memory")
    let problem = parser.pointee.problem.map { String(cString: $0) } ?? "not YAML"
    if error == YAML_READER_ERROR {
      // A reader error has an offset where others have a line.
      let before = bytes.prefix(parser.pointee.problem_offset)
      return UnreadableFile(line: 1 + before.count { $0 == UInt8(ascii: "\n") }, problem: problem)
    }
    return UnreadableFile(line: Int(parser.pointee.problem_mark.line) + 1, problem: problem)
  }
}
