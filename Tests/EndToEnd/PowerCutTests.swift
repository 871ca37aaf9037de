import Foundation
import TestSupport
import Testing

/// The order of the gateway's system calls, from which follows what a power cut at any moment leaves.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct PowerCutTests {
  private static let hasStrace = (try? Repository.program("strace")) != nil

  @Test(
    "No power cut undoes an operation that was answered, or leaves half a file",
    .enabled(if: hasStrace, "strace is not installed; make setup installs it"))
  func nothingAnsweredIsUndone() async throws {
    try await GatewayProcess.withGateway { gateway in
      var promises: [PowerCut.Promise] = []
      let trace = try await SystemCallTrace.record(gateway.pid) {
        promises = try await Self.operate(gateway)
      }
      let root = gateway.root.path
      let cut = PowerCut(trace, root: root, promises: promises)
      #expect(cut.faults == [])
      #expect(cut.promised == promises.count && promises.count == 16 * 20)

      // The same run by a gateway that forgets a sync, or syncs too late to matter.
      let noFileSync = trace.removing { $0.name.contains("sync") && $0.files[0].hasPrefix(root + "/staging/") }
      #expect(PowerCut(noFileSync, root: root, promises: promises).faults.count >= 16)
      let noDirectorySync = trace.removing { $0.name == "fsync" && $0.files[0] == root + "/proxy" }
      #expect(PowerCut(noDirectorySync, root: root, promises: promises).faults.count >= 16)
    }
  }

  /// Sixteen callers set, replace and delete workloads of their own, and tell what they were promised.
  private static func operate(_ gateway: GatewayProcess) async throws -> [PowerCut.Promise] {
    try await withThrowingTaskGroup(of: [PowerCut.Promise].self) { group in
      for caller in 0..<16 {
        group.addTask {
          var promises: [PowerCut.Promise] = []
          for step in 0..<20 {
            let workload = "\(caller)-\(step % 3)-w"
            // A backend of its own tells each operation's file from all others.
            let backend = "http://10.1.\(caller).\(step):80"
            let isDelete = step % 5 == 4
            let reply =
              isDelete
              ? try await gateway.call("DeleteNamedProxy", .string(workload))
              : try await gateway.call(
                "SetNamedProxy", .string(workload), .string(workload), [.string(backend)], false)
            #expect(reply.callError == nil && reply.protocolError == nil)
            promises.append(
              .init(
                operation: "step \(step) of \(workload)", replyTo: reply.replyTo, file: "\(workload).yaml",
                content: isDelete ? nil : "\(backend)\n"))
          }
          return promises
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
  }

  /// One route set and answered, and one deleted.
  private static let good = [
    #"1 openat(AT_FDCWD, "/r/staging/w.yaml", O_WRONLY|O_CREAT|O_TRUNC, 0644) = 5</r/staging/w.yaml>"#,
    #"1 write(5</r/staging/w.yaml>, "CONTENT", 7) = 7"#,
    #"1 fsync(5</r/staging/w.yaml>) = 0"#,
    #"1 renameat2(AT_FDCWD, "/r/staging/w.yaml", AT_FDCWD, "/r/proxy/w.yaml", RENAME_NOREPLACE) = 0"#,
    #"1 fsync(6</r/proxy>) = 0"#,
    #"2 write(7<socket:[1]>, "SET-REPLY", 9) = 9"#,
    #"1 unlink("/r/proxy/w.yaml") = 0"#,
    #"1 fsync(6</r/proxy>) = 0"#,
    #"2 write(7<socket:[1]>, "DELETE-REPLY", 12) = 12"#,
  ]

  private static func faults(_ lines: [String]) throws -> [String] {
    // As `strace -xx` writes buffers and the files of descriptors.
    let text = lines.map { line in
      line.replacing(/("|[0-9]<)([^">]*)("|>)/) { match in
        match.1 + match.2.utf8.map { "\\x" + String($0, radix: 16) }.joined() + match.3
      }
    }
    let cut = PowerCut(
      try SystemCallTrace(text.joined(separator: "\n")), root: "/r",
      promises: [
        .init(operation: "set", replyTo: "SET-REPLY", file: "w.yaml", content: "CONTENT"),
        .init(operation: "delete", replyTo: "DELETE-REPLY", file: "w.yaml", content: nil),
      ])
    #expect(cut.promised == 2)
    return cut.faults
  }

  @Test func goodOrderHasNoFault() throws {
    #expect(try Self.faults(Self.good) == [])
  }

  @Test(
    "An order in which a power cut does harm is found",
    arguments: [
      ("file not synced", [0, 1, 3, 4, 5, 6, 7, 8], "/r/proxy/w.yaml appears before its content is synced"),
      ("file synced too early", [0, 2, 1, 3, 4, 5, 6, 7, 8], "/r/proxy/w.yaml appears before its content is synced"),
      ("file synced too late", [0, 1, 3, 2, 4, 5, 6, 7, 8], "/r/proxy/w.yaml appears before its content is synced"),
      ("directory not synced", [0, 1, 2, 3, 5, 6, 7, 8], "a power cut undoes set after its answer"),
      ("directory synced too early", [0, 1, 2, 4, 3, 5, 6, 7, 8], "a power cut undoes set after its answer"),
      ("answered too early", [0, 1, 2, 3, 5, 4, 6, 7, 8], "a power cut undoes set after its answer"),
      ("content missing", [0, 2, 3, 4, 5, 6, 7, 8], "a power cut undoes set after its answer"),
      ("deletion not synced", [0, 1, 2, 3, 4, 5, 6, 8], "a power cut undoes delete after its answer"),
      ("deletion synced too early", [0, 1, 2, 3, 4, 5, 7, 6, 8], "a power cut undoes delete after its answer"),
      ("deletion answered too early", [0, 1, 2, 3, 4, 5, 6, 8, 7], "a power cut undoes delete after its answer"),
      ("nothing deleted", [0, 1, 2, 3, 4, 5, 7, 8], "a power cut undoes delete after its answer"),
    ])
  func harmIsFound(what: String, order: [Int], fault: String) throws {
    #expect(try Self.faults(order.map { Self.good[$0] }).contains(fault))
  }

  @Test("A sync that was still running when the next step began is no sync", arguments: [2, 4])
  func overlapIsFound(sync: Int) throws {
    var lines = Self.good
    let text = lines[sync]
    lines[sync] = text.replacing(") = 0", with: " <unfinished ...>")
    lines.insert("1 <... fsync resumed>) = 0", at: sync + 2)
    // The next step is another thread's, since this one waits.
    lines[sync + 1] = "3" + lines[sync + 1].dropFirst()
    #expect(try !Self.faults(lines).isEmpty)
  }

  @Test func fileWrittenInPlaceIsFound() throws {
    let line = #"1 openat(AT_FDCWD, "/r/proxy/w.yaml", O_WRONLY|O_TRUNC) = 9</r/proxy/w.yaml>"#
    #expect(try Self.faults([line] + Self.good) == ["/r/proxy/w.yaml is written in place"])
  }
}
