import Synchronization

/// Addresses of the loopback for servers whose port cannot be chosen, as port 53 cannot.
public enum LoopbackAddress {
  private static let taken = Mutex<Set<String>>([])

  /// An address in 127.0.0.0/8 that this process has not been given before and hardly anybody else uses.
  public static func next() -> String {
    taken.withLock { taken in
      while true {
        let numbers = (0..<3).map { _ in "\(Int.random(in: 2...250))" }
        let address = "127." + numbers.joined(separator: ".")
        if taken.insert(address).inserted { return address }
      }
    }
  }
}
