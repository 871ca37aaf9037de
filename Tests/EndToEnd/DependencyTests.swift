import Foundation
import TestSupport
import Testing

/// The picture in docs/design.md, Package.swift and the imports say the same.
@Suite(.timeLimit(.minutes(5)))
struct DependencyTests {
  /// A row of the table.
  private struct Room {
    let name: String
    let uses: Set<String>
    let fromElsewhere: Set<String>
  }

  /// What comes with the compiler.
  private static let standard: Set = ["Glibc", "Dispatch", "Synchronization", "FoundationEssentials"]

  private static func text(_ path: String) throws -> String {
    try String(contentsOfFile: Repository.file(path), encoding: .utf8)
  }

  private static func rooms() throws -> [Room] {
    try text("docs/design.md").matches(of: #/\n\| `([\w-]+)` \| [^|]+ \|([^|]*)\|([^|]*)\|(?=\n)/#).map { row in
      Room(
        name: String(row.1), uses: Set(row.2.matches(of: #/`([\w-]+)`/#).map { String($0.1) }),
        fromElsewhere: Set(row.3.matches(of: #/\w+/#).map { String($0.0) }))
    }
  }

  /// The modules that a room's files import.
  private static func imports(of room: String) throws -> Set<String> {
    let folder = Repository.file("Sources/\(room)")
    let files = try FileManager.default.subpathsOfDirectory(atPath: folder).filter { $0.hasSuffix(".swift") }
    let pattern = #/(?m)^(?:@\w+ )?(?:public |package )?import (?:struct |class |enum |func )?(\w+)/#
    return try files.reduce(into: []) { modules, file in
      modules.formUnion(try text("Sources/\(room)/\(file)").matches(of: pattern).map { String($0.1) })
    }
  }

  /// What the package's manifest says each target depends on: by name, or by the variable of a product.
  private static func declared() throws -> [String: Set<String>] {
    let manifest = try text("Package.swift")
    let products = Dictionary(
      uniqueKeysWithValues: manifest.matches(of: #/let (\w+) = Target\.Dependency\.product\(name: "(\w+)"/#).map {
        (String($0.1), String($0.2))
      })
    let pattern = #/\.(?:executableTarget|target)\(\s*name: "([\w-]+)",(?:\s*dependencies: \[([^\]]*)\])?/#
    return Dictionary(
      manifest.matches(of: pattern).map { target in
        let names = (target.2 ?? "").split(separator: ",").map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }
        return (
          String(target.1),
          Set(
            names.filter { !$0.isEmpty }.map {
              $0.hasPrefix("\"") ? String($0.dropFirst().dropLast()) : products[$0] ?? $0
            })
        )
      }, uniquingKeysWith: { first, _ in first })
  }

  @Test func everyTargetIsARoom() throws {
    let folders = try FileManager.default.contentsOfDirectory(atPath: Repository.file("Sources"))
      .filter { $0.wholeMatch(of: #/C[A-Z]\w*/#) == nil && !$0.hasPrefix(".") }
    #expect(Set(try Self.rooms().map(\.name)) == Set(folders))
    let design = try Self.text("docs/design.md")
    let picture = design.prefix(design.firstRange(of: "| room |")?.lowerBound.utf16Offset(in: design) ?? 0)
    for room in folders { #expect(picture.contains(room), "\(room) is not in the picture") }
  }

  @Test func doorsLeadDownOnly() throws {
    let rooms = try Self.rooms()
    for (index, room) in rooms.enumerated() {
      let below = Set(rooms[(index + 1)...].map(\.name))
      #expect(room.uses.isSubset(of: below), "\(room.name) uses \(room.uses.subtracting(below).sorted())")
    }
  }

  @Test func importsAreWhatThePictureAllowsAndNoLess() throws {
    let rooms = try Self.rooms()
    #expect(rooms.count > 10)
    for room in rooms {
      let imported = try Self.imports(of: room.name).subtracting(Self.standard)
      let allowed = room.uses.union(room.fromElsewhere)
      #expect(imported.subtracting(allowed).isEmpty, "\(room.name) imports what it may not")
      #expect(allowed.subtracting(imported).isEmpty, "\(room.name) does not import")
    }
  }

  @Test func manifestSaysTheSame() throws {
    let declared = try Self.declared()
    for room in try Self.rooms() {
      #expect(declared[room.name] == room.uses.union(room.fromElsewhere), "\(room.name)")
    }
  }
}
