/// When Traefik 3.7 renews certificates, by how long it is told that they live (`certificatesDuration`).
///
/// It looks once at its start and then at an interval, whatever the certificates it has say of themselves.
public struct RenewalTimes: Hashable, Sendable {
  /// It renews those that end sooner than this, in seconds.
  public let beforeEnd: Int
  /// How much time is between two looks, in seconds.
  public let interval: Int

  /// - Parameter certificateHours: how long certificates live, in hours.
  public init(certificateHours: Int) {
    let (hour, day) = (3600, 86400)
    (beforeEnd, interval) =
      switch certificateHours {
      case (365 * 24)...: (120 * day, 7 * day)
      case (90 * 24)...: (30 * day, day)
      case (30 * 24)...: (10 * day, 12 * hour)
      case (7 * 24)...: (day, hour)
      case 24...: (6 * hour, 600)
      default: (1200, 60)
      }
  }
}
