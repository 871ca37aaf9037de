import GatewayControl
import Testing

@Suite(.timeLimit(.minutes(5)))
struct ByteSizeTests {
  private static let texts: [(bytes: Double, text: String)] = [
    (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (10_180, "9.9 KiB"), (10_199, "10 KiB"),
    (1_047_552, "1023 KiB"), (1_048_064, "1.0 MiB"), (1_048_575, "1.0 MiB"), (23_500_000, "22 MiB"), (1e15, "909 TiB"),
    (5e18, "4.3 EiB"), (1e30, "867361737988 EiB"), (-1, "0 B"), (.nan, "0 B"), (0.4, "0 B"),
  ]

  @Test(arguments: texts)
  func binaryUnits(bytes: Double, text: String) {
    #expect(ByteSize(bytes).description == text)
  }
}
