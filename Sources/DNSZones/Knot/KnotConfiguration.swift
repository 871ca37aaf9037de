public import Records
public import System

/// What knotd (Knot DNS 3.2) is to be configured with but for the zones, which it is told of while it runs.
public struct KnotConfiguration: Hashable, Sendable {
  /// Of the zones that are ours.
  static let template = "gateway"
  /// Of those of them that are read from files, once: knotd loads many at the same time.
  static let loadTemplate = "gateway-load"
  /// Of the catalog zone.
  static let catalogTemplate = "gateway-catalog"
  /// Who may copy zones.
  private static let transfer = "gateway-transfer"
  /// What a section's members are known by, where that is not `id`.
  private static let identifiers = ["log": "target", "zone": "domain"]
  /// The sections that knotd reads when it starts, and not again.
  static let sectionsOfStart: Set = ["server", "control", "database"]
  /// The types of the records that knotd makes itself when it signs a zone.
  static let signingTypes: Set = ["RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "DNSKEY", "CDS", "CDNSKEY"]

  /// Where it answers, by UDP and TCP; at least one.
  public var addresses: [Endpoint]
  /// Where its socket, its database and its keys are: a directory, by an absolute path.
  public var directory: String
  /// Whether zones are signed.
  public var signs: Bool

  /// The name servers that follow this one; they learn of the zones from a catalog zone (RFC 9432).
  public struct Secondaries: Hashable, Sendable {
    /// Where they are told of changes; at least one.
    public let servers: [Endpoint]
    /// By which they are known.
    public let key: TransferKey
    /// The catalog zone's name.
    public let catalog: Domain

    /// - Parameter nameserver: the primary, below whose name the catalog zone is.
    /// - Throws: `InvalidValue` where that name is too long.
    public init(_ servers: [Endpoint], key: TransferKey, of nameserver: Domain) throws(InvalidValue) {
      self.servers = servers
      self.key = key
      catalog = try Domain("catalog.\(nameserver)")
    }

    var remotes: [String] { servers.indices.map { "secondary-\($0 + 1)" } }
  }

  /// nil where nobody follows.
  public var secondaries: Secondaries?

  /// As whom it runs when it is started as root; nil for as who starts it.
  public var user: String?

  public init(
    addresses: [Endpoint], directory: String, signs: Bool = true, secondaries: Secondaries? = nil, user: String? = nil
  ) {
    self.addresses = addresses
    self.directory = directory
    self.signs = signs
    self.secondaries = secondaries
    self.user = user
  }

  /// The path of its control socket.
  public var socket: String { "\(directory)/knot.sock" }
  /// Where its configuration's database is.
  public var database: String { "\(directory)/confdb" }
  /// The file that the database is made of.
  public var file: String { "\(directory)/knot.conf" }
  /// A zone's file, while it is loaded from one.
  func zoneFile(_ domain: Domain) -> String { "\(directory)/zones/\(domain).zone" }
  /// The directories that it writes into.
  public var directories: [String] { ["run", "db", "zones"].map { "\(directory)/\($0)" } }

  /// Whether a knotd answers at its control socket.
  public var isRunning: Bool {
    do throws(KnotControl.ControlError) {
      _ = try KnotControl(socket, timeout: .seconds(5))
      return true
    } catch {
      return false
    }
  }

  /// An item of a section, such as `listen` of `server`.
  struct Setting: Hashable, Sendable {
    let section: String
    /// Of one of a section's several members.
    var identifier: String?
    let item: String
    let values: [String]

    init(_ section: String, _ identifier: String? = nil, _ item: String, _ values: String...) {
      self.init(section, identifier, item, values)
    }

    init(_ section: String, _ identifier: String? = nil, _ item: String, _ values: [String]) {
      self.section = section
      self.identifier = identifier
      self.item = item
      self.values = values
    }
  }

  /// All that is set; of everything else knotd has its own defaults.
  var settings: [Setting] {
    let policy = "gateway"
    var settings = [
      Setting("server", nil, "rundir", "\(directory)/run"),
      Setting("server", nil, "user", user.map { ["\($0):\($0)"] } ?? []),
      Setting("server", nil, "listen", addresses.map { "\($0.address)@\($0.port)" }),
      // To a stranger nobody says which version runs here.
      Setting("server", nil, "identity", ""), Setting("server", nil, "version", ""),
      Setting("log", "stderr", "any", "warning"),
      Setting("control", nil, "listen", socket),
      Setting("database", nil, "storage", "\(directory)/db"),
    ]
    if let secondaries {
      let key = secondaries.key
      settings += [
        Setting("key", key.name, "algorithm", key.algorithm), Setting("key", key.name, "secret", key.secret),
      ]
      for (remote, server) in zip(secondaries.remotes, secondaries.servers) {
        settings += [
          Setting("remote", remote, "address", "\(server.address)@\(server.port)"),
          Setting("remote", remote, "key", key.name),
        ]
      }
      settings += [
        Setting("acl", Self.transfer, "key", key.name),
        // A question for a serial is answered anyhow, and with the key where it is asked so.
        Setting("acl", Self.transfer, "action", "transfer", "query"),
      ]
    }
    let (remotes, acl) = (secondaries?.remotes ?? [], secondaries == nil ? [] : [Self.transfer])
    let catalog = secondaries.map { ["\($0.catalog)."] } ?? []
    settings += [
      Setting("policy", policy, "algorithm", "ecdsap256sha256"),
      Setting("policy", policy, "nsec3", "on"),
      // RFC 9276, 3.1.
      Setting("policy", policy, "nsec3-iterations", "0"), Setting("policy", policy, "nsec3-salt-length", "0"),
      Setting("policy", policy, "cds-cdnskey-publish", "always"),
    ]
    for template in [Self.template, Self.loadTemplate] {
      settings += [
        Setting("template", template, "storage", "\(directory)/zones"),
        Setting("template", template, "zonefile-sync", "-1"),
        Setting("template", template, "zonefile-load", template == Self.loadTemplate ? "whole" : "none"),
        Setting("template", template, "journal-content", "all"),
        Setting("template", template, "serial-policy", "unixtime"),
        Setting("template", template, "dnssec-signing", signs ? "on" : "off"),
        Setting("template", template, "dnssec-policy", policy),
        Setting("template", template, "notify", remotes), Setting("template", template, "acl", acl),
        Setting("template", template, "catalog-role", catalog.isEmpty ? [] : ["member"]),
        Setting("template", template, "catalog-zone", catalog),
      ]
    }
    if let name = catalog.first {
      let template = Self.catalogTemplate
      settings += [
        Setting("template", template, "storage", "\(directory)/zones"),
        Setting("template", template, "zonefile-sync", "-1"), Setting("template", template, "catalog-role", "generate"),
        Setting("template", template, "notify", remotes), Setting("template", template, "acl", acl),
        Setting("zone", name, "template", template),
      ]
    }
    return settings
  }

  /// The file, for `knotc conf-import`.
  public var text: String {
    var text = "# Written by the gateway, and read once: what knotd has is in its database.\n"
    var place = ""
    for setting in settings {
      if setting.values.isEmpty { continue }
      let next = "\(setting.section) \(setting.identifier ?? "")"
      if next != place {
        if !place.hasPrefix("\(setting.section) ") { text += "\(setting.section):\n" }
        if let identifier = setting.identifier {
          text += "  - \(Self.identifiers[setting.section] ?? "id"): \(identifier)\n"
        }
        place = next
      }
      text += "    \(setting.item): [\(setting.values.map { "\"\($0)\"" }.joined(separator: ", "))]\n"
    }
    return text
  }
}

extension KnotControl {
  private func beginConfiguration() throws(ControlError) {
    if try run("conf-begin").isEmpty { return }
    guard takesOver else { throw .busy("the configuration") }
    _ = try run("conf-abort")
    try demand("conf-begin")
  }

  /// Changes the configuration in one step, or not at all.
  func changeConfiguration(
    _ body: (borrowing KnotControl) throws(ControlError) -> Void
  ) throws(ControlError) {
    try beginConfiguration()
    do throws(ControlError) {
      try body(self)
      try demand("conf-commit")
    } catch {
      _ = try run("conf-abort")
      throw error
    }
  }

  /// Has knotd have these settings.
  ///
  /// - Returns: whether it needs a start to take one of them in.
  func bringUpToDate(_ settings: [KnotConfiguration.Setting]) throws(ControlError) -> Bool {
    var found: [String: [String]] = [:]
    func key(_ section: String, _ identifier: String?, _ item: String) -> String {
      "\(section)[\(identifier ?? "")].\(item)"
    }
    for section in Set(settings.map(\.section)) {
      _ = try run("conf-read", [Unit(section: section)]) { unit in
        guard let item = unit.item, let data = unit.data else { return }
        found[key(section, unit.identifier, item), default: []].append(data)
      }
    }
    let outdated = settings.filter { setting in
      let values = found[key(setting.section, setting.identifier, setting.item)] ?? []
      return Set(values) != Set(setting.values)
    }
    let catalogs = Set(settings.filter { $0.section == "zone" }.map(\.identifier))
    var unwanted: [Unit] = []
    try demand("conf-read", [Unit(section: "zone", item: "template")]) { unit in
      guard unit.data == KnotConfiguration.catalogTemplate, !catalogs.contains(unit.identifier) else { return }
      unwanted.append(Unit(section: "zone", identifier: unit.identifier))
    }
    if outdated.isEmpty, unwanted.isEmpty { return false }
    try changeConfiguration { control throws(ControlError) in
      for setting in outdated {
        func unit(_ value: String?) -> Unit {
          Unit(section: setting.section, item: setting.item, identifier: setting.identifier, data: value)
        }
        if let identifier = setting.identifier {
          // One that is there already is refused.
          _ = try control.run("conf-set", [Unit(section: setting.section, identifier: identifier)])
        }
        _ = try control.run("conf-unset", [unit(nil)])
        try control.demand("conf-set", setting.values.map { unit($0) })
      }
      try control.demand("conf-unset", unwanted)
    }
    return outdated.contains { KnotConfiguration.sectionsOfStart.contains($0.section) }
  }
}
