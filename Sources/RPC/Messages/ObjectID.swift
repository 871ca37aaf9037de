/// What a module offers on the bus: a name and a version, such as `manager@0.0.1`.
public struct ObjectID: Hashable, Sendable, CustomStringConvertible {
  /// The first part: `manager`, say.
  public let name: String
  /// May be empty; the object is then written as its name alone.
  public let version: String

  /// - Parameters:
  ///   - name: the first part, `manager`, say.
  ///   - version: empty for an object that is written as its name alone.
  public init(_ name: String, version: String = "") {
    self.name = name
    self.version = version
  }

  /// What answers requests for a module's ``ModuleStatus``.
  static let status = ObjectID("zbus", version: "1.0")

  public var description: String {
    version.isEmpty ? name : "\(name)@\(version)"
  }

  /// The Redis list on which requests for this object of `module` wait.
  func queue(of module: String) -> String {
    "\(module).\(self)"
  }

  /// The Redis channel on which this object of `module` publishes `stream`.
  func channel(of stream: String, module: String) -> String {
    "\(queue(of: module)).\(stream)"
  }
}

extension ObjectID: Codable {
  private enum CodingKeys: String, CodingKey {
    case name = "Name"
    case version = "Version"
  }
}
