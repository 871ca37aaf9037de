package import Glibc

/// What `/proc` tells (proc(5)).
package enum ProcessTable {
  /// The processes there are, some of which may have ended since.
  static var pids: [pid_t] { names("/proc").compactMap { pid_t($0) } }

  /// What a process was started with; empty when it has ended.
  package static func arguments(of pid: pid_t) -> [String] {
    contents("/proc/\(pid)/cmdline").split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
  }

  /// The environment that a process was started with, `NAME=value` each; empty when it is another user's.
  package static func environment(of pid: pid_t) -> [String] {
    contents("/proc/\(pid)/environ").split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
  }

  /// Whether it is one of a container, which has a number of its own for it; such a process may well look like one of ours.
  static func isContained(_ pid: pid_t) -> Bool {
    let lines = contents("/proc/\(pid)/status").split(separator: UInt8(ascii: "\n"))
    let numbers = lines.first { $0.starts(with: "NSpid:".utf8) }?.split(separator: UInt8(ascii: "\t"))
    return (numbers?.count ?? 0) > 2
  }

  /// When it was started, in seconds since the epoch; nil when it has ended.
  package static func start(of pid: pid_t) -> Double? {
    // The fields after the name, which may hold anything in its parentheses; the 22nd of all is in ticks since the boot.
    let (space, parenthesis) = (UInt8(ascii: " "), UInt8(ascii: ")"))
    let fields = contents("/proc/\(pid)/stat").split(separator: parenthesis).last?.split(separator: space)
    guard let fields, fields.count > 19, let ticks = Double(String(decoding: fields[19], as: UTF8.self)),
      let booted = BootClock.bootTime
    else { return nil }
    return booted + ticks / Double(sysconf(CInt(_SC_CLK_TCK)))
  }

  /// The name of its program, cut after 15 bytes.
  static func name(of pid: pid_t) -> String {
    String(decoding: contents("/proc/\(pid)/comm").prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
  }

  /// Whether a process has one of these sockets open; not if it is another user's and this is not root.
  static func holds(_ pid: pid_t, anyOf sockets: Set<String>) -> Bool {
    let directory = "/proc/\(pid)/fd"
    return names(directory).contains { name in
      var target = [UInt8](repeating: 0, count: 64)
      let count = target.withUnsafeMutableBytes { readlink("\(directory)/\(name)", $0.baseAddress!, $0.count) }
      return count > 0 && sockets.contains(String(decoding: target.prefix(count), as: UTF8.self))
    }
  }

  /// The files there have no size, so that they are read to their end; empty when one has gone.
  static func contents(_ path: String) -> [UInt8] {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return [] }
    defer { close(file) }
    var contents: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 14)
    while true {
      let count = read(file, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return contents }
      contents += buffer.prefix(count)
    }
  }

  private static func names(_ path: String) -> [String] {
    (try? FileSystem.names(in: path)) ?? []
  }
}
