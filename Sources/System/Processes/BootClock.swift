import Glibc

/// What tells one life of the machine, and of a process in it, from another, also when its clock is set.
package enum BootClock {
  /// Another one after each start of the machine; empty where the kernel does not tell.
  package static var bootID: String {
    let file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return "" }
    defer { close(file) }
    return String(unsafeUninitializedCapacity: 36) { max(0, read(file, $0.baseAddress, $0.count)) }
  }

  /// When the machine was started, in whole seconds since the epoch, as the kernel tells it now: `btime` of /proc/stat,
  /// from which Traefik works out when it was started itself. Moves when the clock is set; nil where it is not told.
  package static var bootTime: Double? {
    guard let statistics = fopen("/proc/stat", "re") else { return nil }
    defer { fclose(statistics) }
    var line: UnsafeMutablePointer<CChar>?
    var capacity = 0
    defer { free(line) }
    while getline(&line, &capacity, statistics) > 0 {
      let words = String(cString: line!).split(whereSeparator: \.isWhitespace)
      if words.first == "btime" { return words.last.flatMap { Double($0) } }
    }
    return nil
  }
}
