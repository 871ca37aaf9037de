/// A durable record that a workload asked for: the content of one file.
public protocol StoredRecord: Hashable, Sendable {
  /// What a record takes for itself, and no other record of its kind may have.
  associatedtype Claim: Hashable, Sendable, CustomStringConvertible

  /// What a claim is called in errors, as in `name already registered: …`.
  static var claimKind: String { get }

  /// Whose it is.
  var workload: WorkloadID { get }
  /// What it takes for itself.
  var claim: Claim { get }

  /// The file's content.
  func encoded() -> [UInt8]

  /// Reads what ``encoded()`` writes, in any legal YAML.
  ///
  /// - Throws: ``FileMismatch`` for what is no such record.
  init(file: Span<UInt8>, of workload: WorkloadID) throws(FileMismatch)
}

/// What another workload has.
public struct ClaimTaken: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String

  package init(description: String) { self.description = description }
}

/// A change of a record that the disk did not take.
public struct RecordStoreError: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String
}

extension WorkloadID {
  /// Whose workload it is: what stands before the first `-` of its id, `37` of `37-1976-web`.
  public var user: Substring { rawValue.prefix { $0 != "-" } }
}
