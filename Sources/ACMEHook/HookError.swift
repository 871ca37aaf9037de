/// Why a challenge could not be presented or cleaned up, in one line.
public struct HookError: Error, Hashable, CustomStringConvertible {
  public let description: String

  init(_ description: String) {
    self.description = description
  }
}
