import CLinux
package import Glibc

/// A process that another one started, held in a way that its number cannot come to mean a different one (pidfd_open(2)).
package final class RunningProcess {
  package let pid: pid_t
  private let descriptor: CInt

  /// The process `pid`, if it was started with `argument`; `nil` when it is another one, or has ended.
  private init?(_ pid: pid_t, startedWith argument: String) {
    let descriptor = clinux_pidfd_open(pid)
    guard descriptor >= 0 else { return nil }
    // Only now, so that what is looked at is what is held.
    guard ProcessTable.arguments(of: pid).contains(argument), !ProcessTable.isContained(pid) else {
      close(descriptor)
      return nil
    }
    self.pid = pid
    self.descriptor = descriptor
  }

  deinit {
    close(descriptor)
  }

  /// All that were started with `argument`, outside of containers, and their children that run the same program.
  package static func all(startedWith argument: String) -> [RunningProcess] {
    ProcessTable.pids
      .filter { ProcessTable.arguments(of: $0).contains(argument) }
      .compactMap { RunningProcess($0, startedWith: argument) }
  }

  /// Does nothing when it has ended.
  package func signal(_ number: CInt) {
    _ = clinux_pidfd_send_signal(descriptor, number)
  }

  /// Waits for its end.
  ///
  /// - Returns: whether that came before `deadline`.
  package func ends(before deadline: ContinuousClock.Instant) -> Bool {
    while true {
      var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      let result = Glibc.poll(&poll, 1, deadline.milliseconds)
      if result < 0, errno == EINTR { continue }
      return result > 0
    }
  }
}

extension ContinuousClock.Instant {
  /// How long until then, as poll(2) takes it: at least 0, and rounded up.
  var milliseconds: CInt {
    let left = Self.now.duration(to: self)
    return left <= .zero ? 0 : CInt((left / .milliseconds(1)).rounded(.up))
  }
}
