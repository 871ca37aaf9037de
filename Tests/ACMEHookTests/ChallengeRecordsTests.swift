import Testing

@testable import ACMEHook

@Suite(.timeLimit(.minutes(5)))
struct ChallengeRecordsTests {
  static let now = 1_800_000_000

  static func challenge(_ value: String, _ domain: String = "example.com") throws -> Challenge {
    try Challenge(name: "_acme-challenge.\(domain).", value: value)
  }

  @Test func serverRunsFromTheFirstChallengeToTheLast() throws {
    var records = ChallengeRecords()
    #expect(records.present(try Self.challenge("one"), at: Self.now) == .serve)
    #expect(records.present(try Self.challenge("two"), at: Self.now) == .serve)
    #expect(records.cleanUp(try Self.challenge("one"), at: Self.now) == .serve)
    #expect(records.cleanUp(try Self.challenge("two"), at: Self.now) == .stop)
  }

  @Test func valuesOfOneNameAndOtherNamesLiveSideBySide() throws {
    var records = ChallengeRecords()
    for (value, domain) in [("b", "example.com"), ("a", "example.com"), ("c", "example.org")] {
      _ = records.present(try Self.challenge(value, domain), at: Self.now)
    }
    #expect(records.names.map(\.domain.rawValue) == ["example.com", "example.org"])
    #expect(records.values(of: records.names[0]).map(\.rawValue) == ["a", "b"])
    #expect(records.values(of: records.names[1]).map(\.rawValue) == ["c"])
  }

  @Test func presentingAndCleaningUpTwiceIsLikeOnce() throws {
    var records = ChallengeRecords()
    let one = try Self.challenge("one")
    _ = records.present(one, at: Self.now)
    let once = records
    _ = records.present(one, at: Self.now)
    #expect(records == once)
    #expect(records.cleanUp(one, at: Self.now) == .stop)
    #expect(records.cleanUp(one, at: Self.now) == .stop)
  }

  @Test(arguments: [(0, true), (3600, true), (3601, false), (-3600, true), (-3601, false)])
  func challengeIsForgottenAnHourAfterItWasPresented(age: Int, isKept: Bool) throws {
    var records = ChallengeRecords(presented: [try Self.challenge("old"): Self.now - age])
    _ = records.present(try Self.challenge("new"), at: Self.now)
    #expect(records.challenges.contains(try Self.challenge("old")) == isKept)
  }

  @Test func fileSaysWhatTheRecordsSay() throws {
    let records = ChallengeRecords(presented: [
      try Self.challenge("-two"): Self.now, try Self.challenge("one"): Self.now - 7,
      try Self.challenge("one", "example.org"): Self.now,
    ])
    let bytes = records.encoded(boot: "b1")
    #expect(try ChallengeRecords(bytes, boot: "b1") == records)
    #expect(
      String(decoding: bytes, as: UTF8.self) == """
        boot b1
        challenge 1800000000 _acme-challenge.example.com -two
        challenge 1799999993 _acme-challenge.example.com one
        challenge 1800000000 _acme-challenge.example.org one

        """)
  }

  @Test func challengesFromBeforeTheMachineWasStartedAreForgotten() throws {
    let bytes = ChallengeRecords(presented: [try Self.challenge("one"): Self.now]).encoded(boot: "before")
    #expect(try ChallengeRecords(bytes, boot: "after").isEmpty)
  }

  /// A file that is cut at the end of a line reads as fewer challenges; any other is found out.
  @Test func halfWrittenFileIsNeverReadAsAnotherChallenge() throws {
    let records = ChallengeRecords(presented: [
      try Self.challenge("one"): Self.now, try Self.challenge("two"): Self.now,
    ])
    let bytes = records.encoded(boot: "b1")
    for count in 0..<bytes.count {
      if let read = try? ChallengeRecords(Array(bytes.prefix(count)), boot: "b1") {
        #expect(Set(read.challenges).isSubset(of: records.challenges), "cut after \(count) bytes")
        #expect(bytes[count - 1] == UInt8(ascii: "\n"))
      }
    }
  }

  @Test(arguments: [
    "", "\n", "challenge 1 _acme-challenge.example.com one\n", "boot\n", "boot b1\nrubbish\n",
    "boot b1\nchallenge x _acme-challenge.example.com one\n", "boot b1\nchallenge -1 _acme-challenge.example.com one\n",
    "boot b1\nchallenge 1 example.com one\n", "boot b1\nchallenge 1 _acme-challenge.example.com o=e\n",
    "boot b1\nchallenge 1 _acme-challenge.example.com one two\n", "boot b1\n\n", "\u{0}\u{0}\u{0}\u{0}",
    "boot b1\nchallenge 99999999999999999999 _acme-challenge.example.com one\n",
  ])
  func fileThatSaysSomethingElseIsUnreadable(text: String) {
    #expect(throws: ChallengeRecords.Unreadable.self) { try ChallengeRecords(Array(text.utf8), boot: "b1") }
  }
}
