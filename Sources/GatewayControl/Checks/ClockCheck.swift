import CLinux
import Glibc

/// Whether this machine's clock can be right: certificates are valid at a time, and so are the authority's answers.
enum ClockCheck {
  private static let name = "clock"

  static func check() -> Check {
    var status = stat()
    // No earlier than this program was built.
    let built = stat("/proc/self/exe", &status) == 0 ? status.st_mtim.tv_sec : 0
    var clock = timex()
    let state = adjtimex(&clock)
    return check(now: time(nil), built: built, isSynchronised: state < 0 ? nil : clock.status & STA_UNSYNC == 0)
  }

  /// - Parameters:
  ///   - now, built: in seconds since the epoch.
  ///   - isSynchronised: what the kernel says; nil when it says nothing.
  static func check(now: Int, built: Int, isSynchronised: Bool?) -> Check {
    let remedy = "set the clock, and run an NTP client"
    let day = 86_400
    if now < built - day {
      return .failure(name, "it is \((built - now) / day) days behind this program's file", remedy)
    }
    if now > built + 20 * 365 * day {
      return .failure(name, "it is \((now - built) / (365 * day)) years ahead of this program's file", remedy)
    }
    return switch isSynchronised {
    case true?: .ok(name, "synchronised")
    case false?: .warning(name, "the kernel knows of nobody who keeps it right", "run an NTP client")
    case nil: .warning(name, "whether it is kept right cannot be seen", "run an NTP client")
    }
  }
}
