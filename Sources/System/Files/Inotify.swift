import CLinux
import Glibc
import Synchronization

/// An inotify(7) instance, for one thread to wait on.
package final class Inotify: Sendable {
  package struct FileEvent: Hashable, Sendable {
    package let watch: CInt
    package let mask: UInt32
    /// Of the entry it is about; empty for the watched directory itself.
    package let name: String
  }

  private let descriptor: CInt
  /// Makes ``read()`` return early.
  private let wakeup: CInt

  package init() throws(SystemError) {
    descriptor = inotify_init1(CInt(IN_CLOEXEC) | CInt(IN_NONBLOCK))
    guard descriptor >= 0 else { throw SystemError("inotify_init1") }
    wakeup = eventfd(0, CInt(EFD_CLOEXEC | EFD_NONBLOCK))
    // All is there that is closed in the end, which comes at once then.
    guard wakeup >= 0 else { throw SystemError("eventfd") }
  }

  deinit {
    close(descriptor)
    close(wakeup)
  }

  /// Watches a directory; a symbolic link to one is followed.
  package func watch(_ directory: String, for mask: UInt32) throws(SystemError) -> CInt {
    let watch = inotify_add_watch(descriptor, directory, mask | UInt32(IN_ONLYDIR))
    guard watch >= 0 else { throw SystemError("inotify_add_watch") }
    return watch
  }

  /// Makes the call of ``read()`` that is waiting, or else the next one, return.
  package func wake() {
    eventfd_write(wakeup, 1)
  }

  /// Waits for events and returns them in their order; none when it was woken.
  ///
  /// - Parameter limit: how long to wait at most, and then return none; nil for as long as it takes.
  package func read(within limit: Duration? = nil) throws(SystemError) -> [FileEvent] {
    var descriptors = [
      pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0), pollfd(fd: wakeup, events: Int16(POLLIN), revents: 0),
    ]
    let milliseconds = limit.map { CInt(($0 / .milliseconds(1)).rounded(.up)) } ?? -1
    while poll(&descriptors, 2, milliseconds) < 0 {
      guard errno == EINTR else { throw SystemError("poll") }
    }
    var events: [FileEvent] = []
    try withUnsafeTemporaryAllocation(byteCount: 65536, alignment: MemoryLayout<inotify_event>.alignment) {
      (buffer) throws(SystemError) in
      let count = Glibc.read(descriptor, buffer.baseAddress!, buffer.count)
      guard count >= 0 else {
        guard errno == EAGAIN || errno == EINTR else { throw SystemError("read") }
        return
      }
      var offset = 0
      while offset < count {
        let event = buffer.loadUnaligned(fromByteOffset: offset, as: inotify_event.self)
        let name = UnsafeRawBufferPointer(buffer)[(offset + MemoryLayout<inotify_event>.size)...].prefix(Int(event.len))
        events.append(
          FileEvent(watch: event.wd, mask: event.mask, name: String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)))
        offset += MemoryLayout<inotify_event>.size + Int(event.len)
      }
    }
    return events
  }
}
