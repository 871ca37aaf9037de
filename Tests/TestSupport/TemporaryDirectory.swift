import Foundation

/// A directory of a test's own.
public struct TemporaryDirectory: Fixture {
  /// Absolute, short enough for unix sockets in it.
  public let path: String

  /// Makes a directory, runs `body` with it and removes it with all it holds.
  @discardableResult
  public static func withDirectory<Result>(
    isolation: isolated (any Actor)? = #isolation, _ body: (TemporaryDirectory) async throws -> Result
  ) async throws -> Result {
    try await using(TemporaryDirectory(), body)
  }

  init() throws {
    var template = Array("\(FileManager.default.temporaryDirectory.path)/gateway-test-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else {
      throw FixtureError("cannot make a temporary directory: \(String(cString: strerror(errno)))")
    }
    path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  /// The path of `name` in this directory.
  public func file(_ name: String) -> String {
    "\(path)/\(name)"
  }

  /// Makes a directory here and returns its path.
  public func directory(_ name: String) throws -> String {
    try FileManager.default.createDirectory(atPath: file(name), withIntermediateDirectories: true)
    return file(name)
  }

  /// Writes a file here in one step and returns its path. Whoever watches its directory sees it whole.
  @discardableResult
  public func write(_ text: String, to name: String) throws -> String {
    try Data(text.utf8).write(to: URL(filePath: file(name)), options: .atomic)
    return file(name)
  }

  func stop() async {
    try? FileManager.default.removeItem(atPath: path)
  }
}
