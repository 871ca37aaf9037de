import Records
import System
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct WorkloadIDTests {
  @Test(arguments: ["a", "37-1976-workloadname", "A.b_c-9", "_", "1e3", "null", String(repeating: "w", count: 128)])
  func takesWhatIsSafeAsAFileName(text: String) throws {
    #expect(try WorkloadID(text).rawValue == text)
  }

  @Test(arguments: [
    ("", #"invalid workload "": it is empty"#),
    (".", #"invalid workload ".": it must not start with '.' or '-'"#),
    ("..", #"invalid workload "..": it must not start with '.' or '-'"#),
    (".hidden", #"invalid workload ".hidden": it must not start with '.' or '-'"#),
    ("-rf", #"invalid workload "-rf": it must not start with '.' or '-'"#),
    ("../x", #"invalid workload "../x": only letters, digits, '.', '_' and '-' may appear"#),
    ("a/b", #"invalid workload "a/b": only letters, digits, '.', '_' and '-' may appear"#),
    ("a@file", #"invalid workload "a@file": only letters, digits, '.', '_' and '-' may appear"#),
    ("a b", #"invalid workload "a b": only letters, digits, '.', '_' and '-' may appear"#),
    ("a\0", #"invalid workload "a\u{0}": only letters, digits, '.', '_' and '-' may appear"#),
    ("é", #"invalid workload "é": only letters, digits, '.', '_' and '-' may appear"#),
    ("a\n", #"invalid workload "a\n": only letters, digits, '.', '_' and '-' may appear"#),
    (
      String(repeating: "w", count: 129),
      "invalid workload \"\(String(repeating: "w", count: 100))…\": it is longer than 128 bytes"
    ),
  ])
  func refusesTheRest(text: String, error: String) {
    expectInvalid(error) { () throws(InvalidValue) in try WorkloadID(text) }
  }

  @Test func comparesByBytes() throws {
    #expect(try WorkloadID("B") < WorkloadID("a"))
    #expect(try WorkloadID("a") != WorkloadID("A"))
  }
}
