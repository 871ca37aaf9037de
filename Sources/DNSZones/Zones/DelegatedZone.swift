public import Records
import System

/// A domain whose owner has delegated it to this gateway. Its file:
///
///     domain: example.net
public struct DelegatedZone: StoredRecord {
  public static var claimKind: String { "domain" }

  public let workload: WorkloadID
  public let domain: Domain

  public var claim: Domain { domain }

  public init(workload: WorkloadID, domain: Domain) {
    self.workload = workload
    self.domain = domain
  }

  public func encoded() -> [UInt8] {
    YAMLWriter.document { $0.field("domain", domain.rawValue) }
  }

  public init(file: Span<UInt8>, of workload: WorkloadID) throws(FileMismatch) {
    let root = try YAMLNode(document: file)
    let domain = try root.members(["domain"])[0].required("domain", in: root)
    self.workload = workload
    let text = try domain.string
    self.domain = try domain.checked(Result { () throws(InvalidValue) in try Domain(text) })
  }
}
