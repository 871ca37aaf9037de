import Foundation
import System
import TestSupport

/// The system calls of a process, as `strace` saw them begin and end.
struct SystemCallTrace {
  /// One call. Several threads' calls overlap, so its begin and its end have places of their own in the trace.
  struct Call: Sendable {
    let name: String
    /// The files that its descriptors stand for.
    let files: [String]
    /// Its strings and buffers.
    let strings: [[UInt8]]
    /// The rest, in which flags are looked for.
    let text: String
    let result: Int

    func text(_ index: Int) -> String { String(decoding: strings[index], as: UTF8.self) }
  }

  enum Event: Sendable {
    case began(Int)
    case ended(Int)
  }

  let calls: [Call]
  /// The begins and ends of ``calls``, by index, in their order.
  let events: [Event]

  /// Records a running process while `body` runs.
  static func record(
    _ pid: Int32, isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Void
  ) async throws -> SystemCallTrace {
    try await TemporaryDirectory.withDirectory { directory in
      let output = directory.file("trace")
      let arguments = [
        "-f", "-y", "-xx", "-s", "16777216", "-p", "\(pid)", "-o", output, "-e",
        "trace=open,openat,creat,write,writev,pwrite64,sendto,sendmsg,fsync,fdatasync,syncfs,sync,truncate,ftruncate,"
          + "rename,renameat,renameat2,link,linkat,unlink,unlinkat",
      ]
      try await ChildProcess.withProcess("strace", arguments, log: directory.file("strace.log")) { strace in
        _ = try await strace.line { $0.contains("attached") }
        try await body()
      }
      return try SystemCallTrace(String(contentsOfFile: output, encoding: .utf8))
    }
  }

  /// Reads what `strace -f -y -xx` wrote.
  init(_ text: String) throws {
    var calls: [Call?] = []
    var events: [Event] = []
    var unfinished: [Substring: (index: Int, text: Substring)] = [:]
    for line in text.split(separator: "\n") {
      guard let space = line.firstIndex(of: " ") else { throw FixtureError("no system call: \(line)") }
      let thread = line[..<space]
      var call = line[space...].drop { $0 == " " }
      if call.hasPrefix("---") || call.hasPrefix("+++") { continue }
      let index: Int
      if call.hasPrefix("<... "), let resumed = call.firstRange(of: " resumed>") {
        guard let begin = unfinished.removeValue(forKey: thread) else { continue }
        index = begin.index
        call = Substring(begin.text + call[resumed.upperBound...])
      } else {
        index = calls.count
        calls.append(nil)
        events.append(.began(index))
      }
      // A call can be cut short by another thread's, and by the end of the recording.
      if let cut = call.firstRange(of: " <unfinished ...>") ?? call.firstRange(of: " <detached ...>") {
        unfinished[thread] = (index, call[..<cut.lowerBound])
        continue
      }
      calls[index] = try Self.call(call)
      events.append(.ended(index))
    }
    // A call that had not ended when the recording did has begun all the same.
    for (index, text) in unfinished.values { calls[index] = try Self.call(text + ") = -1") }
    self.calls = calls.map { $0! }
    self.events = events
  }

  private init(calls: [Call], events: [Event]) {
    self.calls = calls
    self.events = events
  }

  /// The same without some calls: what a program would have done that forgot them.
  func removing(_ isForgotten: (Call) -> Bool) -> SystemCallTrace {
    let forgotten = calls.map(isForgotten)
    return SystemCallTrace(
      calls: calls,
      events: events.filter { event in
        switch event {
        case .began(let index), .ended(let index): !forgotten[index]
        }
      })
  }

  private static func call(_ text: Substring) throws -> Call {
    guard let open = text.firstIndex(of: "("), let equals = text.range(of: " = ", options: .backwards) else {
      throw FixtureError("no system call: \(text)")
    }
    let arguments = text[open..<equals.lowerBound]
    return Call(
      name: String(text[..<open]),
      files: arguments.matches(of: /[0-9]<([^>]*)>/).map { String(decoding: bytes($0.1), as: UTF8.self) },
      strings: arguments.matches(of: /"([^"]*)"/).map { bytes($0.1) },
      text: String(arguments.replacing(/"[^"]*"/, with: "")),
      result: Int(text[equals.upperBound...].prefix { $0 == "-" || $0.isNumber }) ?? -1)
  }

  /// The bytes of `\x2f\x74`.
  private static func bytes(_ escaped: Substring) -> [UInt8] {
    escaped.split(separator: "\\x").compactMap { UInt8($0, radix: 16) }
  }
}
