import Synchronization

/// How many there are of something that is counted for as long as it is there.
final class Places: Sendable {
  /// One of them, for as long as this is kept.
  final class Place: Sendable {
    private let places: Places

    fileprivate init(_ places: Places) { self.places = places }

    deinit { places.taken.subtract(1, ordering: .relaxed) }
  }

  private let taken = Atomic<Int>(0)
  private let limit: Int

  init(limit: Int = .max) {
    self.limit = limit
  }

  var count: Int { taken.load(ordering: .relaxed) }

  /// nil when there are as many as there may be.
  func take() -> Place? {
    guard taken.add(1, ordering: .relaxed).newValue <= limit else {
      taken.subtract(1, ordering: .relaxed)
      return nil
    }
    return Place(self)
  }
}
