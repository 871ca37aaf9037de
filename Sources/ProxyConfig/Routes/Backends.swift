import Records
import System

/// The 1 to 64 backends of a route, all for one TLS mode, in the order they were given, each once.
public struct Backends: Hashable, Sendable {
  static let maximumCount = 64

  private let elements: [Backend]

  /// One that is given twice, in whatever form, is one.
  ///
  /// Throws one error that names every faulty backend with its own reason.
  public init(
    _ texts: some Collection<String>, for mode: TLSMode, under policy: AddressPolicy, tunnels: Backend.Tunnels = [:]
  ) throws(InvalidValue) {
    try self.init(texts, as: Backend.Form(mode), under: policy, tunnels)
  }

  init(
    _ texts: some Collection<String>, as form: Backend.Form, under policy: AddressPolicy, _ tunnels: Backend.Tunnels
  ) throws(InvalidValue) {
    guard !texts.isEmpty else { throw InvalidValue("at least one backend is needed") }
    guard texts.count <= Self.maximumCount else {
      throw InvalidValue("at most \(Self.maximumCount) backends are allowed, not \(texts.count)")
    }
    var elements: [Backend] = []
    elements.reserveCapacity(texts.count)
    var seen: Set<Backend> = []
    var faults: [String] = []
    for text in texts {
      do throws(InvalidValue) {
        let backend = try Backend(text, as: form, under: policy, tunnels)
        if seen.insert(backend).inserted { elements.append(backend) }
      } catch {
        faults.append(error.description)
      }
    }
    guard faults.isEmpty else { throw InvalidValue(faults.joined(separator: "; ")) }
    self.elements = elements
  }
}

extension Backends: RandomAccessCollection {
  public var startIndex: Int { elements.startIndex }
  public var endIndex: Int { elements.endIndex }
  public subscript(index: Int) -> Backend { elements[index] }
}
