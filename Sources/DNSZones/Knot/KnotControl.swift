import CKnot
import Glibc

/// A connection to a running knotd's control socket (knotc(8), libknot 3.2). knotd serves one at a time, so it is kept no longer than
/// a few commands take.
struct KnotControl: ~Copyable {
  /// What goes over the socket: a command's arguments, or a part of the answer.
  struct Unit {
    var section: String?
    var item: String?
    var identifier: String?
    var zone: String?
    var owner: String?
    var ttl: String?
    var type: String?
    var data: String?
    var filter: String?
    /// Only in answers.
    var error: String?

    init(
      section: String? = nil, item: String? = nil, identifier: String? = nil, zone: String? = nil, owner: String? = nil,
      ttl: String? = nil, type: String? = nil, data: String? = nil, filter: String? = nil
    ) {
      self.section = section
      self.item = item
      self.identifier = identifier
      self.zone = zone
      self.owner = owner
      self.ttl = ttl
      self.type = type
      self.data = data
      self.filter = filter
    }
  }

  /// What knotd refuses, or why it cannot be asked.
  enum ControlError: Error, CustomStringConvertible {
    /// Nobody answers at the socket, or stopped to.
    case away(String)
    case refused(command: String, reason: String)
    /// Somebody else has begun a change and not finished it.
    case busy(String)

    var description: String {
      switch self {
      case .away(let reason): reason
      case .refused(let command, let reason): "\(command): \(reason)"
      case .busy(let what): "somebody has begun to change \(what) in knotd, and has not finished"
      }
    }
  }

  private let control: OpaquePointer
  /// Whether what somebody has begun and not finished is ended for a change of ours.
  let takesOver: Bool

  /// - Parameters:
  ///   - timeout: for each transfer, so for each command as well.
  ///   - takesOver: whether what somebody has begun and not finished is ended for a change of ours.
  init(_ path: String, timeout: Duration, takesOver: Bool = false) throws(ControlError) {
    var code: CInt = 0
    guard let control = cknot_connect(path, CInt(timeout / .milliseconds(1)), &code) else {
      throw .away("connect \(path): \(Self.reason(code))")
    }
    self.control = control
    self.takesOver = takesOver
  }

  deinit {
    cknot_close(control)
  }

  /// Runs a command once for each of `units`, until one is refused, and hands over each part of the answer.
  ///
  /// - Returns: the one that was refused, with its error; none where all is well.
  func run(
    _ command: String, _ units: [Unit] = [Unit()], flags: String? = nil, _ take: (Unit) -> Void = { _ in }
  ) throws(ControlError) -> [Unit] {
    if units.isEmpty { return [] }
    for unit in units { try send(command, flags, unit) }
    try check(cknot_send(control, cknot_kind_block, nil))
    var refused: [Unit] = []
    while true {
      var kind = cknot_kind_end
      var parts = [UnsafePointer<CChar>?](repeating: nil, count: Int(cknot_parts))
      try check(cknot_receive(control, &kind, &parts))
      func part(_ place: cknot_part) -> String? { parts[Int(place.rawValue)].map { String(cString: $0) } }
      switch kind {
      case cknot_kind_data, cknot_kind_extra:
        var unit = Unit(
          section: part(cknot_part_section), item: part(cknot_part_item), identifier: part(cknot_part_identifier),
          zone: part(cknot_part_zone), owner: part(cknot_part_owner), ttl: part(cknot_part_ttl),
          type: part(cknot_part_type), data: part(cknot_part_data), filter: part(cknot_part_filter))
        unit.error = part(cknot_part_error)
        if unit.error != nil { refused.append(unit) } else { take(unit) }
      case cknot_kind_block: return refused
      default: throw .away("knotd ended the conversation in \(command)")
      }
    }
  }

  /// The same, and goes on with those that come after a refused one.
  func runEach(_ command: String, _ units: [Unit], flags: String? = nil) throws(ControlError) -> [Unit] {
    var refused: [Unit] = []
    for unit in units { refused += try run(command, [unit], flags: flags) }
    return refused
  }

  /// The same for a command that must not be refused.
  func demand(
    _ command: String, _ units: [Unit] = [Unit()], flags: String? = nil, _ take: (Unit) -> Void = { _ in }
  ) throws(ControlError) {
    guard let refused = try run(command, units, flags: flags, take).first, let error = refused.error else { return }
    let place = refused.zone ?? refused.identifier
    throw .refused(command: command, reason: place.map { "\($0): \(error)" } ?? error)
  }

  private func send(_ command: String, _ flags: String?, _ unit: Unit) throws(ControlError) {
    // In the order of `cknot_part`.
    let texts = [
      command, flags, nil, unit.section, unit.item, unit.identifier, unit.zone, unit.owner, unit.ttl, unit.type,
      unit.data, unit.filter,
    ]
    let copies = texts.map { $0.map { strdup($0) } }
    defer { for copy in copies { free(copy ?? nil) } }
    let parts = copies.map { $0.map { UnsafePointer($0!) } }
    try check(cknot_send(control, cknot_kind_data, parts))
  }

  private func check(_ code: CInt) throws(ControlError) {
    guard code == 0 else { throw .away(Self.reason(code)) }
  }

  /// Nearly always it is the limit on the time.
  private static func reason(_ code: CInt) -> String { String(cString: cknot_reason(code)) }
}
