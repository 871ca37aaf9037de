public import ServiceLifecycle

/// Keeps what is known of records in step with their files.
public struct RecordService: Service {
  private let follow: @Sendable () async -> Void

  /// - Parameter follow: takes in what others do to the files, until it is cancelled.
  public init(_ follow: @escaping @Sendable () async -> Void) {
    self.follow = follow
  }

  public func run() async { await cancelWhenGracefulShutdown { [follow] in await follow() } }
}
