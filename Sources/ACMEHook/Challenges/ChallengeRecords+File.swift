import Glibc
import System

/// The file `<root>/acme/challenges`: a line with the boot it belongs to, then a line for each challenge.
///
///     boot 2f0d3c5e-6c5c-4c5e-9f6b-2d6f0e0a7c11
///     challenge 1732186800 _acme-challenge.gent01.dev.grid.tf MsijOYZxqyjGnFGwhjrhfg-Xgbl5r68WPda0J9EgqqI
extension ChallengeRecords {
  /// The file does not say what it should.
  struct Unreadable: Error, Hashable, CustomStringConvertible {
    let line: Int
    var description: String { "line \(line) is no record" }
  }

  /// - Parameter boot: what is different after every start of the machine.
  func encoded(boot: String) -> [UInt8] {
    var text = "boot \(boot)\n"
    for challenge in challenges {
      text += "challenge \(presented[challenge]!) \(challenge.name) \(challenge.value)\n"
    }
    return Array(text.utf8)
  }

  /// Reads what ``encoded(boot:)`` wrote. Challenges from before the machine was started are over, as the client that
  /// asked for them is.
  init(_ bytes: [UInt8], boot: String) throws(Unreadable) {
    var lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
    // The end of the file is the end of a line, or the line is not whole.
    guard lines.popLast() == "", let first = lines.first else { throw Unreadable(line: lines.count + 1) }
    let words = first.split(separator: " ", omittingEmptySubsequences: false)
    guard words.count == 2, words[0] == "boot" else { throw Unreadable(line: 1) }
    var presented: [Challenge: Int] = [:]
    for (index, line) in lines.enumerated().dropFirst() {
      let words = line.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
      guard words.count == 4, words[0] == "challenge", let time = Int(words[1]), time >= 0,
        let challenge = try? Challenge(name: words[2], value: words[3])
      else { throw Unreadable(line: index + 1) }
      presented[challenge] = time
    }
    self.init(presented: words[1] == boot ? presented : [:])
  }

  /// Reads the file; none is no challenges.
  ///
  /// - Parameter report: takes a line that says so when the file is unreadable. It then counts as empty: an order that
  ///   was under way fails and is made anew, which is better than that every order fails from now on.
  static func read(from directory: StateDirectory, report: (String) -> Void) throws(FileError) -> ChallengeRecords {
    guard let bytes = try FileSystem.content(of: directory.challenges, limit: 1 << 20) else {
      return ChallengeRecords()
    }
    do throws(Unreadable) {
      return try ChallengeRecords(bytes, boot: BootClock.bootID)
    } catch {
      report("\(directory.challenges): \(error); the pending challenges are forgotten")
      return ChallengeRecords()
    }
  }

  func write(to directory: StateDirectory) throws(FileError) {
    try FileSystem.replace(directory.challenges, with: encoded(boot: BootClock.bootID), mode: 0o600)
  }
}
