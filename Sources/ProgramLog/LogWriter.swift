import Glibc
import Logging
import Synchronization

/// Writes lines to a file descriptor, in the order in which they come, and lets nobody wait for whoever reads them there:
/// who logs may be the event loop that all calls go through.
///
/// A line that the kernel takes at once is written at once, so that it is out before whatever comes next, a crash included.
/// Otherwise it waits for a thread that writes as the reader reads, and that is there for only as long as there are lines
/// which wait. Of these there are so many at most; beyond that lines are dropped, and it is told how many, once there is
/// room again. What cannot be written at all is lost: there is nobody left to tell.
final class LogWriter: Sendable {
  /// How many bytes of lines may wait.
  static let limit = 1 << 20
  /// How long the end of the process waits for those, in milliseconds.
  private static let flushTime = 1_000

  private struct Backlog {
    var waiting: [[UInt8]] = []
    /// Of the lines that wait and those that the thread writes.
    var bytes = 0
    var dropped = 0
    /// Whether there is a thread.
    var hasThread = false
  }

  private let output: CInt
  private let format: LogFormat
  /// A terminal may take a part of a line and let the writer wait with the rest.
  private let isTerminal: Bool
  private let state = Mutex(Backlog())

  /// - Parameters:
  ///   - output: a file descriptor that stays open for the process's life.
  ///   - format: of the line that tells how many were dropped.
  init(output: CInt, format: LogFormat) {
    self.output = output
    self.format = format
    isTerminal = isatty(output) == 1
  }

  /// The writer of standard error in this format; what waits at the process' end is written then, if it is read in time.
  static func standardError(_ format: LogFormat) -> LogWriter {
    switch format {
    case .text: text
    case .json: json
    }
  }

  private static let text = LogWriter.flushedAtExit(.text)
  private static let json = LogWriter.flushedAtExit(.json)

  private static func flushedAtExit(_ format: LogFormat) -> LogWriter {
    switch format {
    case .text: atexit { LogWriter.text.flush() }
    case .json: atexit { LogWriter.json.flush() }
    }
    return LogWriter(output: STDERR_FILENO, format: format)
  }

  /// Writes a line, or has it written.
  func write(_ line: [UInt8]) {
    state.withLock { state in
      if !state.hasThread, state.waiting.isEmpty, isTakenAtOnce(line.count) {
        put(line)
      } else if state.bytes + line.count > Self.limit {
        state.dropped += 1
      } else {
        state.waiting.append(line)
        state.bytes += line.count
        if !state.hasThread { state.hasThread = startThread() }
      }
    }
  }

  /// Waits until no line waits, for a second at most. Returns whether none does.
  @discardableResult
  func flush() -> Bool {
    for _ in 0..<Self.flushTime where state.withLock({ $0.hasThread }) { usleep(1_000) }
    return state.withLock { !$0.hasThread }
  }

  /// Whether so many bytes are written without waiting: a pipe that can be written to takes PIPE_BUF bytes (pipe(7)), a
  /// socket more, and a file is written in memory.
  private func isTakenAtOnce(_ count: Int) -> Bool {
    guard !isTerminal, count <= PIPE_BUF else { return false }
    var descriptor = pollfd(fd: output, events: Int16(POLLOUT), revents: 0)
    // With an error on it, it does not wait either.
    return poll(&descriptor, 1, 0) != 0
  }

  // MARK: The thread

  private func startThread() -> Bool {
    var thread = pthread_t()
    let writer = Unmanaged.passRetained(self)
    let error = pthread_create(
      &thread, nil,
      { writer in
        Unmanaged<LogWriter>.fromOpaque(writer!).takeRetainedValue().writeWaiting()
        return nil
      }, writer.toOpaque())
    guard error == 0 else {
      writer.release()
      // They wait for the next line.
      return false
    }
    pthread_detach(thread)
    return true
  }

  private func writeWaiting() {
    while let lines = takeWaiting() {
      for line in lines {
        put(line)
        state.withLock { $0.bytes -= line.count }
      }
    }
  }

  /// What to write next; nil when that is nothing, and the thread ends.
  private func takeWaiting() -> [[UInt8]]? {
    state.withLock { state in
      var lines = state.waiting
      state.waiting = []
      if state.dropped > 0 {
        let line = LogLine(
          time: .now, level: .warning, message: "lines of the log dropped, since nobody read them",
          metadata: ["lines": "\(state.dropped)"]
        ).bytes(as: format)
        lines.append(line)
        state.bytes += line.count
        state.dropped = 0
      }
      state.hasThread = !lines.isEmpty
      return lines.isEmpty ? nil : lines
    }
  }

  /// Writes a line, with one write(2) where that takes it whole, so that those of several programs do not mix.
  private func put(_ line: [UInt8]) {
    var rest = line[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(output, $0.baseAddress, $0.count) }
      if count > 0 {
        rest = rest.dropFirst(count)
      } else if count < 0, errno == EAGAIN {
        var descriptor = pollfd(fd: output, events: Int16(POLLOUT), revents: 0)
        poll(&descriptor, 1, -1)
      } else if count == 0 || errno != EINTR {
        return
      }
    }
  }
}
