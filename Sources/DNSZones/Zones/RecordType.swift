public import System

/// The types of records that workloads set (IANA, DNS Parameters).
public enum RecordType: String, CaseIterable, Hashable, Sendable, CustomStringConvertible {
  case a = "A"
  case aaaa = "AAAA"
  case cname = "CNAME"
  case txt = "TXT"
  case mx = "MX"
  case srv = "SRV"
  case caa = "CAA"
  case ns = "NS"
  case tlsa = "TLSA"
  case sshfp = "SSHFP"
  case https = "HTTPS"
  case svcb = "SVCB"

  public var description: String { rawValue }

  /// Its number on the wire.
  var code: UInt16 {
    switch self {
    case .a: 1
    case .ns: 2
    case .cname: 5
    case .mx: 15
    case .txt: 16
    case .aaaa: 28
    case .srv: 33
    case .sshfp: 44
    case .tlsa: 52
    case .svcb: 64
    case .https: 65
    case .caa: 257
    }
  }

  /// How many bytes of its data stand before a domain name, whose case means nothing; nil where there is no name.
  var placeOfName: Int? {
    switch self {
    case .cname, .ns: 0
    case .mx, .https, .svcb: 2
    case .srv: 6
    case .a, .aaaa, .txt, .caa, .tlsa, .sshfp: nil
    }
  }

  /// Reads a type's name, in any case.
  ///
  /// - Throws: `InvalidValue` for one that workloads do not set.
  public init(_ text: String) throws(InvalidValue) {
    guard let type = RecordType(rawValue: text.uppercased()) else {
      let known = Self.allCases.map(\.rawValue).joined(separator: ", ")
      throw InvalidValue("type", text, "records have one of \(known)")
    }
    self = type
  }
}
