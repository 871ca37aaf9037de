import Glibc

/// What tells one life of the machine, and of a process in it, from another, also when its clock is set.
enum BootClock {
  /// Another one after each start of the machine; empty where the kernel does not tell.
  static var bootID: String {
    let file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return "" }
    defer { close(file) }
    return String(unsafeUninitializedCapacity: 36) { max(0, read(file, $0.baseAddress, $0.count)) }
  }

  /// When the machine was started, in seconds since the epoch, by what its clock shows now. Moves when the clock is set.
  static var bootTime: Double {
    seconds(CLOCK_REALTIME) - seconds(CLOCK_BOOTTIME)
  }

  private static func seconds(_ clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}
